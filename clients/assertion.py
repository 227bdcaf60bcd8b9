"""What every assertion must say, whoever it is about: RFC 7523 section 3."""

from collections.abc import Collection, Mapping
from typing import Any

from keys.jose import LEEWAY_SECONDS, JoseError, check_times

MAX_LIFETIME_SECONDS = 300
MAX_JTI_CHARACTERS = 255


def check_assertion(claims: Mapping[str, Any], *, now: int, audiences: Collection[str]) -> str:
    """Check that an assertion is for us, fresh and short-lived, and return its `jti`. Raises JoseError."""
    check_times(claims, now=now)
    audience, jti = claims.get("aud"), claims.get("jti")
    if not isinstance(audience, str) or audience not in audiences:
        # RFC 7523bis section 3: one audience as a string; a list would let others replay it here
        raise JoseError(f"aud is not {' or '.join(audiences)}, as one string")
    if claims["exp"] > now + MAX_LIFETIME_SECONDS + LEEWAY_SECONDS:
        raise JoseError(f"exp is more than {MAX_LIFETIME_SECONDS} seconds ahead")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS:
        raise JoseError("jti is missing or too long")
    return jti
