"""The account console: the pages on which people look after their own account.

Owns what is shown and asked, one file a page; `guard.py` says who may see them and how recent the sign-in must be.
What a change means (sessions, passwords, factors, deletion) belongs to `server.accounts`.
"""

PATH = "/account"
FRESH_SECONDS = 300
"""A sensitive change needs a sign-in this recent (NIST SP 800-63B-4 section 4.6)."""
