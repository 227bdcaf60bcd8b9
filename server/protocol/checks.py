"""The checks of an authorization request, in order. The order is the security property: it stands here once.

First the client and its redirect URI are proven; until then every error is our own page. After that, errors go to the
client, with its `state`.
"""

from collections.abc import Callable

from clients.client import Client
from clients.redirect_uris import matches
from server.languages import Message as _
from server.protocol.authorization_request import AuthorizationRequest, Draft
from server.protocol.errors import (
    InvalidRequestError,
    InvalidScopeError,
    RegistrationNotSupportedError,
    RequestNotSupportedError,
    RequestURINotSupportedError,
    UnauthorizedClientError,
    UnprovenRequestError,
    UnsupportedResponseTypeError,
)
from server.protocol.request import Parameters
from server.protocol.services import Services

Check = Callable[[Draft, Parameters, Client, Services], None]
RESPONSE_TYPES = ("code",)
RESPONSE_MODES = ("query", "form_post")
MAX_SCOPE_CHARACTERS = 1024
MAX_SCOPES = 50
MAX_STATE_CHARACTERS = 4096


def validate(parameters: Parameters, client: Client | None, services: Services, draft: Draft) -> AuthorizationRequest:
    """Run all checks. Raises UnprovenRequestError, and once `draft.redirect_uri` is set, protocol errors."""
    proven = prove_client(parameters, client)
    prove_redirect_uri(draft, parameters, proven)
    for check in CHECKS:
        check(draft, parameters, proven, services)
    for extension in services.extensions:
        if extension.authorization_check is not None:
            extension.authorization_check(draft, parameters, proven, services)
    return AuthorizationRequest(client_id=proven.client_id, response_mode=draft.response_mode, **draft.values)


def prove_client(parameters: Parameters, client: Client | None) -> Client:
    """Refuse a request that does not name exactly one known client."""
    if "client_id" in parameters.repeated or parameters.get("client_id") is None:
        raise UnprovenRequestError("invalid_request", _("The request does not say which application it comes from."))
    if client is None or client.disabled:
        raise UnprovenRequestError("invalid_client", _("The application that sent you here is not registered."))
    return client


def prove_redirect_uri(draft: Draft, parameters: Parameters, client: Client) -> None:
    """Refuse a redirect URI that is not registered, letter for letter (RFC 9700 section 2.1)."""
    requested = parameters.get("redirect_uri")
    if "redirect_uri" in parameters.repeated:
        raise UnprovenRequestError("invalid_request", _("The request names more than one address to return to."))
    if requested is None:
        # OAuth 2.1 section 2.3.2 allows leaving it out where exactly one is registered; OpenID Connect never does.
        is_openid = "openid" in (parameters.get("scope") or "").split()
        if is_openid or len(client.redirect_uris) != 1:
            raise UnprovenRequestError("invalid_request", _("The request does not say which address to return to."))
        draft.redirect_uri = client.redirect_uris[0]
        draft.values["has_redirect_uri"] = False
    elif matches(client.redirect_uris, requested):
        draft.redirect_uri = requested
    else:
        raise UnprovenRequestError(
            "invalid_request",
            _("The address to return to is not registered for the application that sent you here."),
        )
    draft.values["redirect_uri"] = draft.redirect_uri


def check_response_mode(draft: Draft, parameters: Parameters, client: Client, _services: Services) -> None:
    """Fix how the answer travels, before anything else can fail (OAuth 2.0 Multiple Response Types section 2.1)."""
    mode = parameters.get("response_mode")
    if mode is not None and "response_mode" not in parameters.repeated:
        if mode not in RESPONSE_MODES or (client.response_modes is not None and mode not in client.response_modes):
            raise InvalidRequestError("The response_mode is not supported")
        draft.response_mode = mode


def check_not_repeated(_draft: Draft, parameters: Parameters, _client: Client, _services: Services) -> None:
    """RFC 6749 section 3.1: a parameter stands at most once."""
    if parameters.repeated:
        raise InvalidRequestError("A parameter is repeated")


def check_state(draft: Draft, parameters: Parameters, _client: Client, _services: Services) -> None:
    """Keep `state` as it came."""
    state = parameters.get("state")
    if state is not None and len(state) > MAX_STATE_CHARACTERS:
        raise InvalidRequestError("The state is too long")
    draft.values["state"] = state


def check_request_objects(_draft: Draft, parameters: Parameters, _client: Client, _services: Services) -> None:
    """OpenID Connect Core sections 6 and 7.2.1: not served, so refused by their own codes."""
    if parameters.get("request") is not None:
        raise RequestNotSupportedError("Request objects are not supported")
    if parameters.get("request_uri") is not None:
        raise RequestURINotSupportedError("The request_uri parameter is not supported")
    if parameters.get("registration") is not None:
        raise RegistrationNotSupportedError("The registration parameter is not supported")


def check_response_type(draft: Draft, parameters: Parameters, client: Client, _services: Services) -> None:
    """Only `code`, and only for clients registered for it (RFC 9700 sections 2.1.2 and 2.4)."""
    response_type = parameters.get("response_type")
    if response_type is None:
        raise InvalidRequestError("The response_type is missing")
    if response_type not in RESPONSE_TYPES:
        raise UnsupportedResponseTypeError("The response_type is not supported")
    if response_type not in client.response_types or "authorization_code" not in client.grant_types:
        raise UnauthorizedClientError("The client is not registered for this response_type")
    draft.values["response_type"] = response_type


def check_scope(draft: Draft, parameters: Parameters, client: Client, _services: Services) -> None:
    """Only scopes that the client is registered for (RFC 6749 section 3.3)."""
    draft.values["scopes"] = requested_scopes(parameters.get("scope"), client)


def requested_scopes(scope: str | None, client: Client) -> tuple[str, ...]:
    """Return the scopes asked for, each once, or the client's own where none is named. Raises InvalidScopeError."""
    if scope is None:
        return tuple(name for name in client.scope_order if name not in ("openid", "offline_access"))
    names = tuple(dict.fromkeys(scope.split(" ")))
    if len(scope) > MAX_SCOPE_CHARACTERS or len(names) > MAX_SCOPES or "" in names:
        raise InvalidScopeError("The scope is malformed or too long")
    if not client.scopes.issuperset(names):
        raise InvalidScopeError("A requested scope is unknown or not allowed for this client")
    return names


CHECKS: tuple[Check, ...] = (
    check_response_mode,
    check_not_repeated,
    check_state,
    check_request_objects,
    check_response_type,
    check_scope,
)
