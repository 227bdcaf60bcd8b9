"""How answers are signed and encrypted for a client.

By members of OpenID Connect Dynamic Client Registration 1.0 section 2, JARM section 3 and RFC 9701 section 6.
"""

from collections.abc import Mapping
from typing import Any

from keys import jwe
from keys.jwe import DEFAULT_CONTENT_ENCRYPTION, Encryption

ID_TOKEN, USERINFO, AUTHORIZATION, INTROSPECTION = "id_token", "userinfo", "authorization", "introspection"
ANSWERS = (ID_TOKEN, USERINFO, AUTHORIZATION, INTROSPECTION)
"""What may be encrypted for a client, as its metadata names it."""
SIGNED_MEMBERS = tuple(f"{answer}_signed_response_alg" for answer in ANSWERS)
ALGORITHM_MEMBERS = tuple(f"{answer}_encrypted_response_alg" for answer in ANSWERS)
CONTENT_MEMBERS = tuple(f"{answer}_encrypted_response_enc" for answer in ANSWERS)


def encryption_of(metadata: Mapping[str, Any], answer: str) -> Encryption | None:
    """Return how an answer is encrypted for a client with this metadata, None where it is not."""
    alg = metadata.get(f"{answer}_encrypted_response_alg")
    if alg is None:
        return None
    return Encryption(str(alg), str(metadata.get(f"{answer}_encrypted_response_enc", DEFAULT_CONTENT_ENCRYPTION)))


def problem_of_encryption(valid: Mapping[str, Any]) -> str | None:
    """Return why nothing could be encrypted as this metadata asks for, None where it can."""
    for name in (*(f"{answer}_encrypted_response" for answer in ANSWERS), "request_object_encryption"):
        if f"{name}_enc" in valid and f"{name}_alg" not in valid:
            return f"{name}_enc needs {name}_alg beside it"
    for member in ALGORITHM_MEMBERS:
        alg = valid.get(member)
        if alg is None or "jwks_uri" in valid:
            continue
        if "jwks" not in valid:
            return f"{member} needs jwks or jwks_uri"
        if jwe.key_for(valid["jwks"], alg) is None:
            return f"{member} needs a key for {alg} in jwks, with use enc or without a use"
    return None
