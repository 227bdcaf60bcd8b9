"""Signed authentication requests: OpenID Connect CIBA Core 1.0 section 7.1.1."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clients.client import Client
from keys.jose import LEEWAY_SECONDS, JoseError, candidates, check_times, unverified_kid, verify
from server.protocol.errors import InvalidRequestError
from server.protocol.request import MAX_VALUE_CHARACTERS, REPEATABLE, Parameters
from server.protocol.services import Services

HINTS = ("login_hint", "id_token_hint", "login_hint_token")
PARAMETERS = frozenset(
    {
        *("scope", "client_notification_token", "acr_values", "binding_message", "user_code", "requested_expiry"),
        *HINTS,
        *("resource", "authorization_details"),
    }
)
TYPES = ("JWT", "", "oauth-authz-req+jwt")
MAX_SECONDS = 3600
"""FAPI-CIBA section 5.2.2: from `nbf` to `exp`."""
MAX_JTI_CHARACTERS = 255
_NEEDED = ("exp", "iat", "nbf")


@dataclass(slots=True)
class Signed:
    """What a request was signed with, once that is verified; empty for an unsigned one."""

    jti: str | None = None
    """Good for one request."""
    expires_at: int = 0


async def take(client: Client, parameters: Parameters, services: Services, signed: Signed) -> Parameters:
    """Return the parameters: those that the client signed, where it is registered to sign. Raises InvalidRequestError.

    A client signs each of its requests or none: whoever got hold of its other credentials cannot leave it out.
    """
    token, algorithm = parameters.get("request"), client.backchannel_authentication_request_signing_alg
    if (token is not None) != (algorithm is not None):
        raise InvalidRequestError(
            "The authentication request must be signed"
            if token is None
            else "The client has no backchannel_authentication_request_signing_alg registered"
        )
    if token is None or algorithm is None:
        if client.security_profile.must_sign_or_push:
            raise InvalidRequestError("The authentication request must be signed")  # FAPI-CIBA section 5.2.2
        return parameters
    if PARAMETERS & (parameters.values.keys() | parameters.lists.keys()):
        raise InvalidRequestError("Parameters must not stand beside the signed request")
    try:
        claims = await _verified(token, algorithm, client, services)
    except JoseError:
        raise InvalidRequestError(
            "The request is not signed by the client, is over, or is meant for another server"
        ) from None
    signed.jti, signed.expires_at = str(claims["jti"]), int(claims["exp"])
    return _parameters(claims)


async def _verified(token: str, algorithm: str, client: Client, services: Services) -> Mapping[str, Any]:
    published = await services.client_keys.find(client, unverified_kid(token))
    keys = client.keys if published is None else published.keys
    allowed = [name for name in client.security_profile.algorithms if name == algorithm]
    verified = verify(token, find_key=lambda kid: candidates(keys, kid), algorithms=allowed, types=TYPES)
    claims, now = verified.claims, services.clock.now()
    check_times(claims, now=now)
    audience = claims.get("aud")
    if any(name not in claims for name in _NEEDED) or claims["exp"] - claims["nbf"] > MAX_SECONDS + LEEWAY_SECONDS:
        raise JoseError("a time is missing, or it is good for too long")
    if claims.get("iss") != client.client_id or claims.get("sub") == client.client_id:
        raise JoseError("another client's request, or an assertion that authenticates a client")
    if services.settings.issuer not in (audience if isinstance(audience, list) else [audience]):
        raise JoseError("meant for another server")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS:
        raise JoseError("jti is missing or too long")
    return claims


def _parameters(claims: Mapping[str, Any]) -> Parameters:
    values: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for name in PARAMETERS & claims.keys():
        value = claims[name]
        if name in REPEATABLE:
            lists[name] = tuple(_text(item) for item in (value if isinstance(value, list) else [value]))
            values[name] = next(iter(lists[name]), "")
        elif value is not None:
            values[name] = _text(value)
    return Parameters({name: value for name, value in values.items() if value}, lists=lists)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair is no text
        text = "\0"
    if len(text) > MAX_VALUE_CHARACTERS or "\0" in text:
        raise InvalidRequestError("A parameter of the signed request is malformed or too long")
    return text
