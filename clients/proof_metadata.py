"""Which metadata a client needs for the way in which it proves who it is: RFC 7591 section 2, RFC 8705 section 2."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from clients.authentication.tls_client_auth import NAMES, SUBJECT_DN, parse_dn
from clients.certificate import thumbprints_of
from keys.jose import SHARED_SECRET_ALGORITHM, import_client_jwks

NEEDS_KEYS = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
MAX_NAME = 500


def problem_of_proof(valid: Mapping[str, Any]) -> str | None:
    """Return why a client with this metadata could never prove who it is, None where it can."""
    return _problem_of_keys(valid) or _problem_of_method(valid)


def _problem_of_keys(valid: Mapping[str, Any]) -> str | None:
    method = valid["token_endpoint_auth_method"]
    if "jwks" in valid and "jwks_uri" in valid:
        return "jwks and jwks_uri exclude each other (RFC 7591 section 2)"
    if method in NEEDS_KEYS and "jwks" not in valid and "jwks_uri" not in valid:
        return f"{method} needs jwks or jwks_uri"
    if method == "private_key_jwt" and "jwks" in valid and not import_client_jwks(valid["jwks"]):
        return "private_key_jwt needs a key for signatures in jwks"
    if method == "self_signed_tls_client_auth" and "jwks" in valid and not thumbprints_of(valid["jwks"]):
        return "self_signed_tls_client_auth needs a key with its certificate in x5c (RFC 8705 section 2.2.2)"
    if valid.get("jwt_bearer_subjects") and "jwks" not in valid:
        return "jwt_bearer_subjects needs jwks"
    return None


def _problem_of_method(valid: Mapping[str, Any]) -> str | None:
    method = valid["token_endpoint_auth_method"]
    names = [name for name in NAMES if name in valid]
    if (method == "tls_client_auth") != (len(names) == 1) or len(names) > 1:
        return f"tls_client_auth needs exactly one of {', '.join(NAMES)}, and no other method has one"
    algorithm = valid.get("token_endpoint_auth_signing_alg")
    if method == "client_secret_jwt" and algorithm not in (None, SHARED_SECRET_ALGORITHM):
        return f"client_secret_jwt goes with token_endpoint_auth_signing_alg {SHARED_SECRET_ALGORITHM} alone"
    if method != "client_secret_jwt" and algorithm == SHARED_SECRET_ALGORITHM:
        return f"token_endpoint_auth_signing_alg {SHARED_SECRET_ALGORITHM} goes with client_secret_jwt alone"
    return None


def problem_of_name(member: str, value: object) -> str | None:
    """Return why a text cannot be the name in a certificate that a member of RFC 8705 section 2.1.2 expects."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME or not value.isprintable():
        return f"{member} must be a text of 1 to {MAX_NAME} printable characters"
    try:
        if member == SUBJECT_DN and not parse_dn(value).rdns:
            return f"{member} must name something"
        if member.endswith("_ip"):
            ip_address(value)
    except ValueError:
        return f"{member} must be {'a distinguished name as in RFC 4514' if member == SUBJECT_DN else 'an IP address'}"
    return None
