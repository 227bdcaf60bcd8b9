"""What a person sees. A page is one form and one template.

A page knows no protocol parameters: it gets an interaction id and goes back to `interaction.py`, which alone asks for
the next step.
"""
