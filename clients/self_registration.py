"""What a client may say about itself when nobody vouches for it: RFC 7591 section 2 without our own policies.

Whatever is not in the list is left out, as the RFC asks for members that a server does not understand. So a policy that
is added to `clients.metadata` is an operator's alone until somebody decides otherwise here.
"""

from collections.abc import Collection, Mapping
from typing import Any

from clients.metadata import GRANT_TYPES, MEMBERS, InvalidClientMetadata, validate
from clients.response_types import canonical_response_type, is_front_channel, words_of
from clients.sector import SHOWS_THE_ID, host_of, problem_of_own_sector

DEFAULT_SCOPE = "openid profile email address phone offline_access"
"""What a client that names no scope may ask for: what people expect of a sign-in, and nothing of this server's own."""
OPERATORS_SCOPES = frozenset({SHOWS_THE_ID})
"""What a client has from an operator alone: with `account` it could change somebody's password."""
UNVERIFIED = "unverified"
"""The member that marks a client for which no operator vouches: people are asked every time, and told."""
HELD = "held_members"
"""The member that names those of the client's own that an operator has decided about since."""

OWN_MEMBERS = frozenset(
    {
        # RFC 7591 section 2
        "redirect_uris",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "client_name",
        "client_uri",
        "logo_uri",
        "scope",
        "contacts",
        "tos_uri",
        "policy_uri",
        "jwks_uri",
        "jwks",
        "software_id",
        "software_version",
        # OpenID Connect Dynamic Client Registration 1.0 section 2
        "application_type",
        "sector_identifier_uri",
        "subject_type",
        "id_token_signed_response_alg",
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
        "userinfo_signed_response_alg",
        "userinfo_encrypted_response_alg",
        "userinfo_encrypted_response_enc",
        "request_object_signing_alg",
        "request_object_encryption_alg",
        "request_object_encryption_enc",
        "token_endpoint_auth_signing_alg",
        "default_max_age",
        "require_auth_time",
        "default_acr_values",
        "initiate_login_uri",
        "request_uris",
        # OpenID Connect logout specifications
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "backchannel_logout_session_required",
        "frontchannel_logout_uri",
        "frontchannel_logout_session_required",
        # RFC 8705 section 2.1.2 and 3.4, RFC 9101 section 10.5, RFC 9126 section 6, RFC 9396 section 10, RFC 9449 5.2
        "tls_client_auth_subject_dn",
        "tls_client_auth_san_dns",
        "tls_client_auth_san_uri",
        "tls_client_auth_san_ip",
        "tls_client_auth_san_email",
        "tls_client_certificate_bound_access_tokens",
        "require_signed_request_object",
        "require_pushed_authorization_requests",
        "authorization_details_types",
        "dpop_bound_access_tokens",
        # RFC 9701 section 6
        "introspection_signed_response_alg",
        "introspection_encrypted_response_alg",
        "introspection_encrypted_response_enc",
        # JARM section 3
        "authorization_signed_response_alg",
        "authorization_encrypted_response_alg",
        "authorization_encrypted_response_enc",
        "response_modes",
    }
)
HARMLESS = frozenset({"contacts", "software_version", "default_max_age", "require_auth_time", "default_acr_values"})
"""What a client for which an operator vouches may change: nothing that people see, nor who gets what."""
LISTS = frozenset(
    {
        "redirect_uris",
        "post_logout_redirect_uris",
        "request_uris",
        "grant_types",
        "response_types",
        "authorization_details_types",
    }
)
"""Members of which a client has more only by naming more."""
PERSON_GRANTS = frozenset(
    {"authorization_code", "refresh_token", "implicit", "urn:ietf:params:oauth:grant-type:device_code"}
)
"""The grants in which a person decides. A client that acts for itself has nobody who could refuse it."""


def is_own(name: str) -> bool:
    """Whether a client may set a member itself, in any language."""
    return name.partition("#")[0] in OWN_MEMBERS


def validate_own(
    given: Mapping[str, Any], *, operators: Mapping[str, Any], scopes_known: Collection[str]
) -> dict[str, Any]:
    """Return what a client says about itself, valid, together with the members that are the operator's.

    Raises InvalidClientMetadata.
    """
    held = operators.get(HELD, ())
    own = {name: value for name, value in given.items() if is_own(name) and value is not None and name not in held}
    grants = own.get("grant_types")
    known = {grant for grant in grants if grant in GRANT_TYPES} if isinstance(grants, list) else set()
    if not known <= PERSON_GRANTS:
        raise InvalidClientMetadata("grant_types: only an operator registers clients that act without a person")
    if _is_native(own.get("redirect_uris")):
        own["application_type"] = "native"
    if "scope" not in held:
        own["scope"] = _own_scope(own.get("scope"), scopes_known)
    is_whole = {"redirect_uris", "response_types"} <= set(held)
    metadata = {**(own if is_whole else _without_browser_tokens(own)), **operators}
    if "jwks" in metadata and "jwks_uri" in metadata:
        # RFC 7591 section 2: they must not both be present
        raise InvalidClientMetadata("jwks and jwks_uri exclude each other")
    valid = validate(metadata, scopes_known=scopes_known)
    if not is_whole:
        _check_implicit(valid)
    unproven = problem_of_own_sector(valid)
    if unproven is not None:
        raise InvalidClientMetadata(unproven)
    return valid


def _check_implicit(valid: Mapping[str, Any]) -> None:
    """Refuse addresses to which the tokens of a web client must not go (OpenID Connect Registration section 2).

    Operators, who develop on their own machines, may register them.
    """
    if valid["application_type"] != "web" or not any(map(is_front_channel, valid["response_types"])):
        return
    if not all(map(_may_get_browser_tokens, valid["redirect_uris"])):
        raise InvalidClientMetadata(
            "redirect_uris of a web client with the implicit grant must be https and not on localhost",
            error="invalid_redirect_uri",
        )


def _without_browser_tokens(own: dict[str, Any]) -> dict[str, Any]:
    """Leave out the response types for which the redirect URIs are not good enough, where others are left."""
    uris = own.get("redirect_uris")
    if not isinstance(uris, list) or all(map(_may_get_browser_tokens, uris)):
        return own
    return own if own.get("application_type", "web") != "web" else {**without_unserved(own, {"code"})}


def _may_get_browser_tokens(uri: object) -> bool:
    return isinstance(uri, str) and uri.startswith("https://") and bool(host_of(uri))


def _own_scope(given: object, known: Collection[str]) -> object:
    """Return the scopes a client may ask for: what it names, without what only an operator grants; else a few.

    RFC 7591 section 3.2.1: the answer tells. oidc-agent names all that discovery names.
    """
    if given is None:
        return " ".join(name for name in DEFAULT_SCOPE.split() if name in known)
    if not isinstance(given, str):
        return given  # which is refused
    return " ".join(name for name in given.split(" ") if name not in OPERATORS_SCOPES)


def without_unserved(given: Mapping[str, Any], served: Collection[str]) -> Mapping[str, Any]:
    """Return metadata without the response types that are not served here, where others are left.

    RFC 7591 section 3.2.1: the answer tells what was registered. mod_auth_openidc always asks for all that it can.
    """
    wanted = given.get("response_types")
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        return given
    left = [name for name in wanted if canonical_response_type(name) in served]
    if not left or len(left) == len(wanted):
        return given
    needless = {"authorization_code", "implicit"} - {
        "implicit" if word in ("id_token", "token") else "authorization_code"
        for name in left
        for word in words_of(name)
    }
    grants = given.get("grant_types")
    kept = [name for name in grants if name not in tuple(needless)] if isinstance(grants, list) else grants
    return {**given, "response_types": left, "grant_types": kept}


def _is_native(redirect_uris: object) -> bool:
    """Whether a client is an installed application, whatever it says: it has a private-use scheme.

    RFC 8252 section 7.1. oidc-agent says `web`; RFC 7591 section 3.2.1 lets us put it right, and the answer tells.
    """
    uris = redirect_uris if isinstance(redirect_uris, list) else []
    return any(isinstance(uri, str) and not uri.lower().startswith(("http:", "https:")) for uri in uris)


def operators_members(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that an operator set for a client: an update by the client leaves them alone."""
    held = metadata.get(HELD, ())
    return {name: value for name, value in metadata.items() if name in held or (name in MEMBERS and not is_own(name))}


def changes_trust(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the members that differ from what an operator vouched for, apart from those that do no harm.

    Whatever is not known to be harmless counts, so that a new member is not forgotten here.
    """
    own = sorted(name for name in {*before, *after} if is_own(name) and name not in HARMLESS)
    return [name for name in own if before.get(name) != after.get(name) and not _is_less(name, before, after)]


def _is_less(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if name == "scope":
        return set(str(after.get(name, "")).split()) <= set(str(before.get(name, "")).split())
    return name in LISTS and set(after.get(name, ())) <= set(before.get(name, ()))


def without_trust(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata for which no operator vouches any more: people are asked each time, and told."""
    return {name: value for name, value in metadata.items() if name != "skip_consent"} | {UNVERIFIED: True}


def hold(metadata: Mapping[str, Any], changed: Collection[str]) -> dict[str, Any]:
    """Return metadata that notes what an operator changed: the client itself cannot change that back (RFC 7592)."""
    if HELD in changed:
        return dict(metadata)  # the operator says so, or lets go
    return {**metadata, HELD: sorted({*metadata.get(HELD, ()), *filter(is_own, changed)})}
