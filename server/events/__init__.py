"""What happened, written down in the transaction in which it happened.

Owns the names of events and the append-only audit log. Never holds a secret: callers pass identifiers only.
"""
