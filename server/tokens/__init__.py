"""Making and reading tokens: opaque secrets, access tokens, refresh token families, ID tokens.

Knows claims and digests; knows nothing of requests and responses.
"""
