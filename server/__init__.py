"""Ostiary, an OAuth 2 and OpenID Connect authorization server.

Owns everything between a socket and a row. Signing keys live in `keys`, registered clients in `clients`.
`app.py` puts the parts together, `routes.py` is the table of contents.
"""
