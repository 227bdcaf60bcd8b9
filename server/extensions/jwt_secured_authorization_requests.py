"""Request objects: RFC 9101 (JAR), OpenID Connect Core section 6. The client signs its authorization request.

It may encrypt to us what it has signed, so that the browser does not see what it carries.

By value in `request`, or by a `request_uri` that is registered for the client. Only what is signed counts; what stands
beside it must not contradict it.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urldefrag

from clients.client import Client
from keys.jose import (
    LEEWAY_SECONDS,
    MAX_TOKEN_CHARACTERS,
    SIGNING_ALGORITHMS,
    JoseError,
    VerificationKey,
    candidates,
    check_times,
    unverified_kid,
    verify,
)
from keys.jwe import CONTENT_ENCRYPTION, unverified_looks_like_jwe
from server.protocol.authorization_request import Draft
from server.protocol.errors import (
    InvalidRequestError,
    InvalidRequestObjectError,
    InvalidRequestURIError,
    RequestNotSupportedError,
    RequestURINotSupportedError,
    because,
)
from server.protocol.extension import Extension
from server.protocol.request import MAX_FIELDS, MAX_VALUE_CHARACTERS, REPEATABLE, Parameters
from server.protocol.services import Services

TYPES = ("oauth-authz-req+jwt", "JWT", "")
"""Section 10.8 names the first; clients of OpenID Connect Core write the second, or none."""
MAX_SECONDS = 3600
"""FAPI 2.0 Message Signing section 5.3.1: no request object is good for longer."""
ABOUT_THE_TOKEN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
NESTED = ("request", "request_uri")
REPEATED = frozenset({"client_id", *NESTED})


async def take_request_object(draft: Draft, parameters: Parameters, client: Client, services: Services) -> Parameters:
    """Put what the client signed in place of the request."""
    by_value, by_reference = parameters.get("request"), parameters.get("request_uri")
    if by_value is None and by_reference is None:
        return parameters
    if REPEATED & parameters.repeated or (by_value is not None and by_reference is not None):
        raise InvalidRequestError("The request is given in more than one way")  # section 5
    token = by_value if by_value is not None else await _fetch(str(by_reference), client, services)
    try:
        if unverified_looks_like_jwe(token):
            # section 6.1; off the event loop, for an RSA key takes a while
            token = await asyncio.to_thread(services.keys.current.decrypt, token)
        keys = await _keys_of(client, services, token)
        if not keys and client.jwks_uri is None:
            raise RequestNotSupportedError("Request objects need a client that has keys registered")
        claims = read(token, client, keys, services)
    except JoseError as error:
        refusal = InvalidRequestObjectError(
            "The request object is not signed by the client, cannot be decrypted, is over, or is for another server"
        )
        raise because(refusal, f"the request object: {error.reason}") from None
    signed = parameters_of(claims)
    for name in ("client_id", "response_type"):
        # section 5 and OpenID Connect Core section 6.1: what is repeated outside must be the same
        if parameters.get(name) not in (None, signed.get(name)):
            raise InvalidRequestError("The request object contradicts the parameters beside it")
    draft.is_signed = True
    return signed


def read(token: str, client: Client, keys: Sequence[VerificationKey], services: Services) -> Mapping[str, Any]:
    """Verify a request object and return its claims (section 6.2). Raises JoseError."""
    algorithm, profile = client.request_object_signing_alg, client.security_profile
    verified = verify(
        token,
        find_key=lambda kid: candidates(keys, kid),
        algorithms=[name for name in profile.algorithms if algorithm in (None, name)],
        types=TYPES,
    )
    claims, now, longest = verified.claims, services.clock.now(), profile.request_object_seconds
    # RFC 9101 section 4 asks for no exp, and clients of OpenID Connect Core such as mod_auth_openidc send none.
    check_times(claims, now=now, require_exp=client.require_signed_request_object or longest is not None)
    audience = claims.get("aud")
    if claims.get("iss") != client.client_id or claims.get("client_id") != client.client_id:
        raise JoseError("iss and client_id are not both the client_id")
    if services.settings.issuer not in (audience if isinstance(audience, list) else [audience]):
        raise JoseError(f"aud is not {services.settings.issuer}")
    if claims.get("sub") == client.client_id:
        raise JoseError("an assertion that authenticates a client")  # section 10.8: never taken for each other
    if claims.get("exp", now) > now + MAX_SECONDS + LEEWAY_SECONDS or claims.get("nbf", now) < now - MAX_SECONDS:
        raise JoseError("good for too long")
    if client.require_signed_request_object and "nbf" not in claims:
        raise JoseError("nbf is missing")  # FAPI 2.0 Message Signing section 5.3.1
    if longest is not None and claims["exp"] - claims.get("nbf", 0) > longest:
        raise JoseError("good for longer than its profile allows, or without nbf")
    return claims


def parameters_of(claims: Mapping[str, Any]) -> Parameters:
    """Return the claims of a request object as the parameters that they stand for (section 4)."""
    if any(name in claims for name in NESTED):
        raise InvalidRequestObjectError("A request object must not refer to another one")
    values: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for name, value in claims.items():
        if name in ABOUT_THE_TOKEN or value is None:
            continue
        if name in REPEATABLE:
            items = value if isinstance(value, list) else [value]
            lists[name] = tuple(_text(name, item) for item in items)
            values[name] = lists[name][0] if lists[name] else ""
        else:
            values[name] = _text(name, value)
    if len(values) + sum(len(items) for items in lists.values()) > MAX_FIELDS:
        raise InvalidRequestObjectError("The request object holds too many parameters")
    return Parameters({name: value for name, value in values.items() if value}, lists=lists)


def _text(name: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    try:
        # Half a surrogate pair is no text: no database and no answer could take it.
        is_fine = bool(text.encode()) or not value
    except UnicodeEncodeError:
        is_fine = False
    if not is_fine or len(text) > MAX_VALUE_CHARACTERS or "\0" in text or "\0" in name:
        raise InvalidRequestObjectError("A parameter of the request object is malformed or too long")
    return text


async def _fetch(request_uri: str, client: Client, services: Services) -> str:
    """Fetch a request object from an address that is registered for the client, and from no other (section 10.4)."""
    if not client.request_uris:
        raise RequestURINotSupportedError("The client has no request_uris registered")
    address = urldefrag(request_uri).url
    if request_uri not in client.request_uris and address not in client.request_uris:
        raise InvalidRequestURIError("The request_uri is not registered for this client")
    body = await services.request_objects.fetch(client, request_uri)
    if body is None or len(body) > MAX_TOKEN_CHARACTERS:
        raise InvalidRequestURIError("The request_uri does not answer with a request object")
    return body.decode("ascii", "replace").strip()


async def _keys_of(client: Client, services: Services, token: str) -> Sequence[VerificationKey]:
    published = await services.client_keys.find(client, unverified_kid(token))
    return client.keys if published is None else published.keys


def check_is_signed(draft: Draft, _parameters: Parameters, client: Client, _services: Services) -> None:
    """Refuse an unsigned request of a client that must sign (section 10.5)."""
    if client.require_signed_request_object and not draft.is_signed:
        raise InvalidRequestError("The authorization request must be signed")


def _encryption_metadata(services: Services) -> dict[str, Any]:
    algorithms = services.settings.encryption_algorithms
    if not algorithms:
        return {}
    return {
        "request_object_encryption_alg_values_supported": list(algorithms),
        "request_object_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
    }


JWT_SECURED_AUTHORIZATION_REQUESTS = Extension(
    name="jwt_secured_authorization_requests",
    title="RFC 9101 JWT-Secured Authorization Request (JAR)",
    specification="https://www.rfc-editor.org/rfc/rfc9101",
    metadata=lambda services: {
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        **_encryption_metadata(services),
    },
    request_source=take_request_object,
    authorization_check=check_is_signed,
)
