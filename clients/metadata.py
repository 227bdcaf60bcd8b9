"""Validation of client metadata: RFC 7591 section 2, OpenID Connect Dynamic Client Registration 1.0 section 2."""

import contextlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from clients import security_profile
from clients.authentication.tls_client_auth import NAMES
from clients.backchannel_metadata import (
    CIBA,
    DELIVERY_MODE,
    DELIVERY_MODES,
    NOTIFICATION_ENDPOINT,
    SIGNING_ALG,
    USER_CODE,
    problem_of_backchannel,
)
from clients.certificate import CertificateError, certificate_of_key
from clients.encryption import ALGORITHM_MEMBERS, CONTENT_MEMBERS, problem_of_encryption
from clients.proof_metadata import problem_of_name, problem_of_proof
from clients.redirect_uris import LOOPBACK_HOSTS, MAX_CHARACTERS, problem_of
from clients.response_types import RESPONSE_TYPES, canonical_response_type, is_front_channel, words_of
from clients.sector import SUBJECT_TYPES, problem_of_sector
from keys.jose import FULLY_SPECIFIED, SHARED_SECRET_ALGORITHM, SIGNING_ALGORITHMS, JoseError, import_client_jwks
from keys.jwe import CONTENT_ENCRYPTION, KEY_MANAGEMENT

AUTH_METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
)
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FURTHER_GRANT_TYPES = (DEVICE_CODE, TOKEN_EXCHANGE, JWT_BEARER, CIBA)
WITHOUT_PUBLIC_CLIENTS = {
    "client_credentials": "RFC 6749 section 4.4",
    TOKEN_EXCHANGE: "RFC 8693 section 5",
    JWT_BEARER: "RFC 7523 section 3.1",
    CIBA: "OpenID Connect CIBA Core section 7.1",
}
"""Grants in which nothing but the client's credentials stands against whoever found a token."""
WITH_PEOPLE = frozenset({"authorization_code", DEVICE_CODE, CIBA})
GRANT_TYPES = (*FURTHER_GRANT_TYPES, "authorization_code", "implicit", "refresh_token", "client_credentials")
PASSWORD = "password"
RESPONSE_MODES = (
    *("query", "fragment", "form_post"),
    *("jwt", "query.jwt", "fragment.jwt", "form_post.jwt"),  # JARM section 2.3
)
APPLICATION_TYPES = ("web", "native")
OPAQUE = "opaque"
ACCESS_TOKEN_FORMATS = ("jwt", OPAQUE)
MAX_TEXT = 500
MAX_SCOPE = 2000
MAX_ITEMS = 50
MAX_SECONDS = 315_360_000
MAX_ACCESS_TOKEN_SECONDS = 3600
_SCOPE_TOKEN = re.compile(r"[!#-\[\]-~]{1,128}\Z")
_KEY_MEMBERS = ("kty", "use", "alg", "kid", "crv", "n", "e", "x", "y")
_LOCALIZED = re.compile(r"(client_name|client_uri|logo_uri|policy_uri|tos_uri)#[A-Za-z0-9-]{1,35}\Z")


class InvalidClientMetadata(Exception):  # noqa: N818  named after the RFC's error code
    """Metadata that cannot be registered; `error` is the code of RFC 7591 section 3.2.2."""

    def __init__(self, description: str, *, error: str = "invalid_client_metadata") -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def validate(metadata: object, *, scopes_known: Collection[str] | None = None) -> dict[str, Any]:
    """Return valid metadata with its defaults filled in; unknown members are left out (RFC 7591 section 2).

    `scopes_known` are the scopes that a client may be registered for, None for whichever it names.
    Raises InvalidClientMetadata.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidClientMetadata("client metadata must be a JSON object")
    valid = _members(metadata)
    valid.setdefault("grant_types", ["authorization_code"])
    valid.setdefault("token_endpoint_auth_method", "client_secret_basic")
    uses_code = "authorization_code" in valid["grant_types"]
    valid.setdefault("response_types", ["code"] if uses_code else [])
    valid.setdefault("application_type", "web")
    _check_together(valid, uses_code=uses_code)
    if scopes_known is not None and not set(valid.get("scope", "").split()) <= set(scopes_known):
        raise InvalidClientMetadata("scope names a scope that does not exist here")
    return valid


def _members(metadata: Mapping[Any, Any]) -> dict[str, Any]:
    valid: dict[str, Any] = {}
    localized = 0
    for name, value in metadata.items():
        if not isinstance(name, str) or value is None:
            continue
        if name in MEMBERS:
            valid[name] = MEMBERS[name](name, value)
        elif _LOCALIZED.match(name):
            localized += 1
            if localized > MAX_ITEMS:
                raise InvalidClientMetadata(f"more than {MAX_ITEMS} members have a language")
            valid[name] = MEMBERS[name.partition("#")[0]](name, value)
    return valid


def is_member(name: str) -> bool:
    """Whether metadata has such a member, in any language (RFC 7591 section 2.2)."""
    return name in MEMBERS or _LOCALIZED.match(name) is not None


def _check_together(valid: Mapping[str, Any], *, uses_code: bool) -> None:
    method = valid["token_endpoint_auth_method"]
    needs_code = any("code" in words_of(name) for name in valid["response_types"])
    needs_implicit = any(is_front_channel(name) for name in valid["response_types"])
    if uses_code != needs_code or ("implicit" in valid["grant_types"]) != needs_implicit:
        raise InvalidClientMetadata("grant_types and response_types contradict each other (RFC 7591 section 2.1)")
    if (needs_code or needs_implicit) and not valid.get("redirect_uris"):
        raise InvalidClientMetadata("redirect_uris are needed for response_types", error="invalid_redirect_uri")
    for grant_type, section in WITHOUT_PUBLIC_CLIENTS.items():
        if method == "none" and grant_type in valid["grant_types"]:
            raise InvalidClientMetadata(f"a public client cannot use {grant_type} ({section})")
    if "refresh_token" in valid["grant_types"] and not WITH_PEOPLE & set(valid["grant_types"]):
        raise InvalidClientMetadata(
            "refresh_token needs authorization_code, the device_code or the ciba grant beside it"
        )
    _check_front_channel_logout(valid)
    unproven = (
        problem_of_proof(valid)
        or problem_of_sector(valid)
        or problem_of_encryption(valid)
        or problem_of_backchannel(valid)
    )
    if unproven is not None:
        raise InvalidClientMetadata(unproven)
    for uri in (*valid.get("redirect_uris", ()), *valid.get("post_logout_redirect_uris", ())):
        problem = problem_of(uri, is_native=valid["application_type"] == "native")
        if problem is not None:
            raise InvalidClientMetadata(problem, error="invalid_redirect_uri")
    too_weak = security_profile.problem_of(valid)
    if too_weak is not None:
        raise InvalidClientMetadata(too_weak)


def _check_front_channel_logout(valid: Mapping[str, Any]) -> None:
    # OpenID Connect Front-Channel Logout 1.0 section 2: scheme, host and port are those of a redirect URI
    address = valid.get("frontchannel_logout_uri")
    if address is not None and _origin(address) not in {_origin(uri) for uri in valid.get("redirect_uris", ())}:
        raise InvalidClientMetadata("frontchannel_logout_uri must have the origin of one of the redirect_uris")


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(uri)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _text(name: str, value: object, limit: int = MAX_TEXT) -> str:
    # Control characters and lone surrogates are not printable; blanks alone would leave the consent page nameless.
    if not isinstance(value, str) or len(value) > limit or not value.isprintable() or not value.strip():
        raise InvalidClientMetadata(f"{name} must be a text of 1 to {limit} printable characters")
    return value


def _url(name: str, value: object) -> str:
    text = _text(name, value, MAX_CHARACTERS)
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        # A backslash or a user name makes people and browsers see different hosts.
        is_plain = text.isascii() and not set(" \\") & set(text) and parts.username is None and parts.password is None
        is_fine = is_fine and is_plain and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fine = False
    if not is_fine:
        raise InvalidClientMetadata(f"{name} must be an https URL")
    return text


def _url_without_fragment(name: str, value: object) -> str:
    text = _url(name, value)
    if "#" in text:
        raise InvalidClientMetadata(f"{name} must not have a fragment")
    return text


def _https_url(name: str, value: object) -> str:
    text = _url(name, value)
    if urlsplit(text).scheme != "https":
        raise InvalidClientMetadata(f"{name} must be an https URL")
    return text


def _texts(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise InvalidClientMetadata(f"{name} must be a list of at most {MAX_ITEMS} texts")
    return list(dict.fromkeys(_text(name, item, MAX_CHARACTERS) for item in value))


def _redirect_uris(name: str, value: object) -> list[str]:
    try:
        return _texts(name, value)
    except InvalidClientMetadata as error:
        raise InvalidClientMetadata(error.description, error="invalid_redirect_uri") from None


def _response_types(name: str, value: object) -> list[str]:
    canonical = [canonical_response_type(item) for item in _texts(name, value)]
    return _some_of(RESPONSE_TYPES)(name, list(dict.fromkeys(canonical)))


def _request_uris(name: str, value: object) -> list[str]:
    """Check where request objects may be fetched; a fragment may hold a digest (OpenID Connect Core section 6.2)."""
    return [_url(name, uri) for uri in _texts(name, value)]


def _some_of(allowed: tuple[str, ...]) -> Callable[[str, object], list[str]]:
    def check(name: str, value: object) -> list[str]:
        items = _texts(name, value)
        if not set(items) <= set(allowed):
            raise InvalidClientMetadata(f"{name} may hold only {', '.join(allowed)}")
        return items

    return check


def _grant_types(name: str, value: object) -> list[str]:
    if isinstance(value, list) and PASSWORD in value:
        raise InvalidClientMetadata(f"{name}: {PASSWORD} is not supported (RFC 9700 section 2.4)")
    return _some_of(GRANT_TYPES)(name, value)


def _one_of(allowed: tuple[str, ...]) -> Callable[[str, object], str]:
    def check(name: str, value: object) -> str:
        if value not in allowed or not isinstance(value, str):
            raise InvalidClientMetadata(f"{name} must be one of {', '.join(allowed)}")
        return value

    return check


def _signed_by_client(*further: str) -> Callable[[str, object], str]:
    """Check the algorithm of what a client signs; the name of RFC 9864 is kept as the one it has here.

    Verification takes both names. What we sign ourselves says EdDSA, and a client that registers Ed25519 expects that.
    """
    check = _one_of((*SIGNING_ALGORITHMS, *further))
    return lambda name, value: check(name, FULLY_SPECIFIED.get(value, value) if isinstance(value, str) else value)


def _seconds(limit: int, least: int = 0) -> Callable[[str, object], int]:
    def check(name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= limit:
            raise InvalidClientMetadata(f"{name} must be a whole number of seconds from {least} to {limit}")
        return value

    return check


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidClientMetadata(f"{name} must be true or false")
    return value


def _scope(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_SCOPE:
        raise InvalidClientMetadata(f"{name} must be a text of at most {MAX_SCOPE} characters")
    names = list(dict.fromkeys(name for name in value.split(" ") if name))  # RFC 6749 section 3.3: spaces only
    if len(names) > MAX_ITEMS or not all(_SCOPE_TOKEN.match(item) for item in names):
        raise InvalidClientMetadata(f"{name} must hold at most {MAX_ITEMS} scopes of printable ASCII")
    return " ".join(names)


def _jwks(name: str, value: object) -> object:
    try:
        import_client_jwks(value)
    except JoseError as error:
        raise InvalidClientMetadata(f"{name}: {error.reason}") from None
    # What was read is what is kept: unknown members could hold anything, of any size.
    entries = value["keys"] if isinstance(value, dict) else []
    return {"keys": [_key(name, entry) for entry in entries]}


def _key(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    members = {member: entry[member] for member in _KEY_MEMBERS if entry.get(member) is not None}
    kept: dict[str, Any] = {member: _text(name, text, MAX_CHARACTERS) for member, text in members.items()}
    # RFC 8705 section 2.2.2: the key's own certificate; those above it in the chain say nothing here
    with contextlib.suppress(CertificateError):
        if certificate_of_key(entry) is not None:
            kept["x5c"] = entry["x5c"][:1]
    return kept


def _certificate_name(name: str, value: object) -> str:
    problem = problem_of_name(name, value)
    if problem is not None:
        raise InvalidClientMetadata(problem)
    return str(value)


def _subjects(name: str, value: object) -> list[str]:
    subjects = _texts(name, value)
    if not all(item == "*" or (item.startswith(("user:", "role:")) and item.partition(":")[2]) for item in subjects):
        raise InvalidClientMetadata(f"{name} may hold * for anybody, user:ID and role:NAME")
    return subjects


MEMBERS: dict[str, Callable[[str, Any], Any]] = {
    "redirect_uris": _redirect_uris,
    "post_logout_redirect_uris": _redirect_uris,
    "grant_types": _grant_types,
    "response_types": _response_types,
    "response_modes": _some_of(RESPONSE_MODES),
    "token_endpoint_auth_method": _one_of(AUTH_METHODS),
    "token_endpoint_auth_signing_alg": _signed_by_client(SHARED_SECRET_ALGORITHM),
    "id_token_signed_response_alg": _one_of(SIGNING_ALGORITHMS),
    "authorization_signed_response_alg": _one_of(SIGNING_ALGORITHMS),
    "userinfo_signed_response_alg": _one_of(SIGNING_ALGORITHMS),
    "introspection_signed_response_alg": _one_of(SIGNING_ALGORITHMS),
    **dict.fromkeys(ALGORITHM_MEMBERS, _one_of(KEY_MANAGEMENT)),
    **dict.fromkeys(CONTENT_MEMBERS, _one_of(CONTENT_ENCRYPTION)),
    "request_object_signing_alg": _signed_by_client(),
    "request_object_encryption_alg": _one_of(KEY_MANAGEMENT),
    "request_object_encryption_enc": _one_of(CONTENT_ENCRYPTION),
    "request_uris": _request_uris,
    "require_signed_request_object": _boolean,
    "require_pushed_authorization_requests": _boolean,
    "application_type": _one_of(APPLICATION_TYPES),
    "subject_type": _one_of(SUBJECT_TYPES),
    "sector_identifier_uri": _https_url,
    "client_name": _text,
    "client_uri": _url,
    "policy_uri": _url,
    "tos_uri": _url,
    "logo_uri": _url,
    "initiate_login_uri": _url_without_fragment,
    "contacts": _texts,
    "software_id": _text,
    "software_version": _text,
    "scope": _scope,
    "jwks": _jwks,
    "jwks_uri": _url,
    **dict.fromkeys(NAMES, _certificate_name),
    "dpop_bound_access_tokens": _boolean,
    "userinfo_acr": _one_of(("aal1", "aal2")),
    "userinfo_max_age": _seconds(MAX_SECONDS),
    "tls_client_certificate_bound_access_tokens": _boolean,
    "default_max_age": _seconds(MAX_SECONDS),
    "default_acr_values": _texts,
    "require_auth_time": _boolean,
    "require_pkce": _boolean,
    security_profile.MEMBER: _one_of(tuple(security_profile.SECURITY_PROFILES)),
    "require_mfa": _boolean,
    "skip_consent": _boolean,
    "unverified": _boolean,
    "held_members": _texts,
    "backchannel_logout_uri": _url_without_fragment,
    "backchannel_logout_session_required": _boolean,
    "frontchannel_logout_uri": _url_without_fragment,
    "frontchannel_logout_session_required": _boolean,
    DELIVERY_MODE: _one_of(DELIVERY_MODES),
    NOTIFICATION_ENDPOINT: _url_without_fragment,
    SIGNING_ALG: _signed_by_client(),
    USER_CODE: _boolean,
    "may_introspect": _boolean,
    "jwt_bearer_subjects": _subjects,
    "jwt_bearer_issuers": _texts,
    "resources": _texts,
    "authorization_details_types": _texts,
    "access_token_format": _one_of(ACCESS_TOKEN_FORMATS),
    "access_token_seconds": _seconds(MAX_ACCESS_TOKEN_SECONDS, 10),
    "refresh_token_seconds": _seconds(MAX_SECONDS, 60),
}
