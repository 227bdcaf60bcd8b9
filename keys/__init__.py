"""The life of signing keys: making, sealing, rotating, publishing, signing and verifying with them.

Imports nothing else of this project. Where rows are kept is the server's business.
"""
