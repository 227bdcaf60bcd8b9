"""The checks of an authorization request, in order. The order is the security property: it stands here once.

First the client and its redirect URI are proven; until then every error is our own page. After that, errors go to the
client, with its `state`.
"""

from collections.abc import Callable

from clients.client import Client
from clients.redirect_uris import matches
from clients.response_types import canonical_response_type, default_response_mode, is_front_channel, words_of
from server.languages import Message as _
from server.protocol import client_encryption
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
    because,
)
from server.protocol.request import Parameters
from server.protocol.services import Services

Check = Callable[[Draft, Parameters, Client, Services], None]
RESPONSE_TYPES = ("code",)
"""What every server serves; others are an extension's."""
RESPONSE_MODES = ("query", "fragment", "form_post")
MAX_SCOPE_CHARACTERS = 1024
MAX_SCOPES = 50
MAX_STATE_CHARACTERS = 4096
UNASKED_SCOPES = frozenset({"profile", "email"})
"""What a request of an unverified client asks for when it does not say."""


async def resolve(draft: Draft, parameters: Parameters, client: Client, services: Services) -> Parameters:
    """Return the parameters that a request only refers to: all of them, those beside the reference count for nothing.

    Raises a protocol error.
    """
    await client_encryption.load_keys(services, client)
    for source in services.hooks.request_sources:
        parameters = await source(draft, parameters, client, services)
    return parameters


def validate(parameters: Parameters, client: Client | None, services: Services, draft: Draft) -> AuthorizationRequest:
    """Run all checks. Raises UnprovenRequestError, and once `draft.redirect_uri` is set, protocol errors."""
    proven = prove_client(parameters, client, services)
    prove_redirect_uri(draft, parameters, proven)
    for check in CHECKS:
        check(draft, parameters, proven, services)
    for check in services.hooks.authorization_checks:
        check(draft, parameters, proven, services)
    check_details(draft, parameters, proven, services)
    return AuthorizationRequest(
        client_id=proven.client_id, response_mode=draft.response_mode, details=draft.details, **draft.values
    )


def check_details(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Run the checks that every request for a person's authorization shares, whichever endpoint it came to."""
    for check in services.hooks.details_checks:
        check(draft, parameters, client, services)


def prove_client(parameters: Parameters, client: Client | None, services: Services) -> Client:
    """Refuse a request that does not name exactly one known client."""
    client_id = parameters.get("client_id")
    if "client_id" in parameters.repeated:
        raise UnprovenRequestError(
            "invalid_request",
            _("The request names more than one application that it comes from."),
            description="The client_id is repeated",
        )
    if client_id is None:
        raise UnprovenRequestError(
            "invalid_request",
            _("The request does not say which application it comes from."),
            description="The client_id is missing",
        )
    if client is None and services.registry.is_document(client_id):
        # Why, the log alone says: it may be what only we can see of somebody's network.
        raise UnprovenRequestError(
            "invalid_client",
            _("No valid description of the application that sent you here was found at its address."),
            description="The client's metadata document cannot be fetched, or is not valid",
        )
    if client is None or client.disabled:
        raise UnprovenRequestError(
            "invalid_client",
            _("The application that sent you here is not registered."),
            description="The client is not registered",
        )
    return client


def prove_redirect_uri(draft: Draft, parameters: Parameters, client: Client) -> None:
    """Refuse a redirect URI that is not registered, letter for letter (RFC 9700 section 2.1)."""
    requested = parameters.get("redirect_uri")
    if "redirect_uri" in parameters.repeated:
        raise UnprovenRequestError(
            "invalid_request",
            _("The request names more than one address to return to."),
            description="The redirect_uri is repeated",
        )
    if requested is None:
        # OAuth 2.1 section 2.3.2 allows leaving it out where exactly one is registered; OpenID Connect never does.
        is_openid = "openid" in (parameters.get("scope") or "").split()
        if is_openid or len(client.redirect_uris) != 1:
            if draft.is_signed:
                raise UnprovenRequestError(
                    "invalid_request",
                    _("The signed request does not say which address to return to. Beside it, an address is not read."),
                    description="The redirect_uri is missing in the request object; one beside it does not count",
                )
            raise UnprovenRequestError(
                "invalid_request",
                _("The request does not say which address to return to."),
                description="The redirect_uri is missing",
            )
        draft.redirect_uri = client.redirect_uris[0]
        draft.values["has_redirect_uri"] = False
    elif matches(client.redirect_uris, requested):
        draft.redirect_uri = requested
    else:
        raise UnprovenRequestError(
            "invalid_request",
            _("The address to return to is not registered for the application that sent you here."),
            description="The redirect_uri is not registered for this client, letter for letter",
        )
    draft.values["redirect_uri"] = draft.redirect_uri


def check_response_mode(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Fix how the answer travels, before anything else can fail (OAuth 2.0 Multiple Response Types section 2.1)."""
    response_type, mode = parameters.get("response_type"), parameters.get("response_mode")
    draft.response_mode = default = default_response_mode(response_type)
    encodings = {name: way for extension in services.extensions for name, way in extension.response_encodings.items()}
    # JARM section 2.3.4: "jwt" and what it stands for are the same mode, in the request and in the registration
    full_names = {name: f"{default}.{name}" for name in encodings}
    full = full_names.get(mode or default, mode or default)
    registered = client.response_modes
    if registered is not None and full not in {full_names.get(name, name) for name in registered}:
        raise InvalidRequestError("The client is not registered for this response_mode")
    if mode is None or "response_mode" in parameters.repeated:
        return
    transport, dot, encoding = full.partition(".")
    if transport not in RESPONSE_MODES or (dot and encoding not in encodings):
        raise InvalidRequestError("The response_mode is not supported")
    if transport == "query" and is_front_channel(response_type):
        # OAuth 2.0 Multiple Response Types section 3: servers and proxies would log the tokens
        raise InvalidRequestError("This response_type must not be answered in a query")
    if dot:
        encodings[encoding].check(client, services)
    draft.response_mode = full


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


def check_response_type(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Only what the operator enabled, and only for clients registered for it (RFC 9700 sections 2.1.2 and 2.4)."""
    requested = parameters.get("response_type")
    if requested is None:
        raise InvalidRequestError("The response_type is missing")
    response_type = canonical_response_type(requested)
    if response_type not in services.settings.response_types:
        raise UnsupportedResponseTypeError("The response_type is not supported")
    has_grant = "code" not in words_of(response_type) or "authorization_code" in client.grant_types
    if response_type not in client.response_types or not has_grant:
        raise UnauthorizedClientError("The client is not registered for this response_type")
    draft.values["response_type"] = response_type


def check_scope(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Only scopes that the client is registered for (RFC 6749 section 3.3)."""
    draft.values["scopes"] = requested_scopes(parameters.get("scope"), client, services)


def requested_scopes(scope: str | None, client: Client, services: Services) -> tuple[str, ...]:
    """Return the scopes asked for, each once, or the client's own where none is named. Raises InvalidScopeError.

    The error names a scope only where it is one of ours, which discovery announces: nothing is said back to a sender.
    """
    if scope is None:
        return _default_scopes(client)
    names = tuple(dict.fromkeys(scope.split(" ")))
    if len(scope) > MAX_SCOPE_CHARACTERS or len(names) > MAX_SCOPES or "" in names:
        raise InvalidScopeError("The scope is malformed or too long")
    refused = set(names) - client.scopes
    if unknown := refused - services.scope_names():
        raise because(InvalidScopeError("A requested scope is unknown"), f"unknown: {' '.join(sorted(unknown))}")
    if refused:
        raise InvalidScopeError(f"The client is not registered for the scope {' '.join(sorted(refused))}")
    return names


def _default_scopes(client: Client) -> tuple[str, ...]:
    """Return what a request without `scope` asks for (RFC 6749 section 3.3)."""
    names = tuple(name for name in client.scope_order if name not in ("openid", "offline_access"))
    # A client that nobody vouches for gets no more than a sign-in needs, unless it says what it wants.
    few = tuple(name for name in names if name in UNASKED_SCOPES) if client.is_unverified else ()
    return few or names


CHECKS: tuple[Check, ...] = (
    check_response_mode,
    check_not_repeated,
    check_state,
    check_request_objects,
    check_response_type,
    check_scope,
)
