"""Logout tokens: OpenID Connect Back-Channel Logout 1.0 section 2.4."""

import secrets

from server.tokens.key_ring import KeyRing

TYPE = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME_SECONDS = 120
"""Section 4: preferably at most two minutes, so that one that was stolen is soon worth nothing."""


def mint(
    keys: KeyRing, issuer: str, *, subject: str, client_id: str, session_id: str, algorithm: str | None, now: int
) -> str:
    """Sign a new logout token. It has no `nonce`, so that it can never pass for an ID token (section 2.4)."""
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "jti": secrets.token_urlsafe(16),
        "events": {EVENT: {}},
        "sid": session_id,
    }
    return keys.signer(algorithm).sign(claims, typ=TYPE)
