"""Validation of client metadata: RFC 7591 section 2, OpenID Connect Dynamic Client Registration 1.0 section 2."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from clients.redirect_uris import LOOPBACK_HOSTS, MAX_CHARACTERS, problem_of
from keys.jose import SIGNING_ALGORITHMS, JoseError, import_client_jwks

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
RESPONSE_TYPES = ("code",)
RESPONSE_MODES = ("query", "form_post")
APPLICATION_TYPES = ("web", "native")
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


def _check_together(valid: Mapping[str, Any], *, uses_code: bool) -> None:
    method = valid["token_endpoint_auth_method"]
    if uses_code != ("code" in valid["response_types"]):
        raise InvalidClientMetadata("grant_types and response_types contradict each other (RFC 7591 section 2.1)")
    if uses_code and not valid.get("redirect_uris"):
        raise InvalidClientMetadata("redirect_uris are needed for authorization_code", error="invalid_redirect_uri")
    if method == "none" and "client_credentials" in valid["grant_types"]:
        raise InvalidClientMetadata("a public client cannot use client_credentials (RFC 6749 section 4.4)")
    if "refresh_token" in valid["grant_types"] and not uses_code:
        raise InvalidClientMetadata("refresh_token needs authorization_code beside it")
    if (method == "private_key_jwt") != ("jwks" in valid):
        raise InvalidClientMetadata("private_key_jwt needs jwks, and jwks is only for private_key_jwt")
    for uri in (*valid.get("redirect_uris", ()), *valid.get("post_logout_redirect_uris", ())):
        problem = problem_of(uri, is_native=valid["application_type"] == "native")
        if problem is not None:
            raise InvalidClientMetadata(problem, error="invalid_redirect_uri")


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


def _texts(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise InvalidClientMetadata(f"{name} must be a list of at most {MAX_ITEMS} texts")
    return list(dict.fromkeys(_text(name, item, MAX_CHARACTERS) for item in value))


def _redirect_uris(name: str, value: object) -> list[str]:
    try:
        return _texts(name, value)
    except InvalidClientMetadata as error:
        raise InvalidClientMetadata(error.description, error="invalid_redirect_uri") from None


def _some_of(allowed: tuple[str, ...]) -> Callable[[str, object], list[str]]:
    def check(name: str, value: object) -> list[str]:
        items = _texts(name, value)
        if not set(items) <= set(allowed):
            raise InvalidClientMetadata(f"{name} may hold only {', '.join(allowed)}")
        return items

    return check


def _one_of(allowed: tuple[str, ...]) -> Callable[[str, object], str]:
    def check(name: str, value: object) -> str:
        if value not in allowed or not isinstance(value, str):
            raise InvalidClientMetadata(f"{name} must be one of {', '.join(allowed)}")
        return value

    return check


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
    # What was read is what is kept: certificates and unknown members could hold anything, of any size.
    entries = value["keys"] if isinstance(value, dict) else []
    return {"keys": [_key(name, entry) for entry in entries]}


def _key(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    members = {member: entry[member] for member in _KEY_MEMBERS if entry.get(member) is not None}
    return {member: _text(name, text, MAX_CHARACTERS) for member, text in members.items()}


def _not_served(name: str, _value: object) -> object:
    raise InvalidClientMetadata(f"{name} is not supported: give the keys themselves in jwks")


MEMBERS: dict[str, Callable[[str, Any], Any]] = {
    "redirect_uris": _redirect_uris,
    "post_logout_redirect_uris": _redirect_uris,
    "grant_types": _some_of(GRANT_TYPES),
    "response_types": _some_of(RESPONSE_TYPES),
    "response_modes": _some_of(RESPONSE_MODES),
    "token_endpoint_auth_method": _one_of(AUTH_METHODS),
    "token_endpoint_auth_signing_alg": _one_of(SIGNING_ALGORITHMS),
    "id_token_signed_response_alg": _one_of(SIGNING_ALGORITHMS),
    "application_type": _one_of(APPLICATION_TYPES),
    "subject_type": _one_of(("public",)),
    "client_name": _text,
    "client_uri": _url,
    "policy_uri": _url,
    "tos_uri": _url,
    "logo_uri": _url,
    "contacts": _texts,
    "software_id": _text,
    "software_version": _text,
    "scope": _scope,
    "jwks": _jwks,
    "jwks_uri": _not_served,
    "default_max_age": _seconds(MAX_SECONDS),
    "default_acr_values": _texts,
    "require_auth_time": _boolean,
    "require_pkce": _boolean,
    "require_mfa": _boolean,
    "skip_consent": _boolean,
    "may_introspect": _boolean,
    "access_token_seconds": _seconds(MAX_ACCESS_TOKEN_SECONDS, 10),
    "refresh_token_seconds": _seconds(MAX_SECONDS, 60),
}
