"""Resource Indicators for OAuth 2.0: RFC 8707. Which API an access token is for, so that no other accepts it."""

from clients.client import Client
from server.protocol import resources
from server.protocol.authorization_request import Draft
from server.protocol.errors import InvalidTargetError
from server.protocol.extension import Extension
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.protocol.token_issue import Redemption, TokenRequest

NAME = "resource_indicators"
DETAILS = "resources"
BY_THEMSELVES = frozenset({"client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"})
"""Grants in which no person decides."""
OWN_POLICY = frozenset({"urn:ietf:params:oauth:grant-type:token-exchange"})
"""Grants that decide about audiences themselves."""


def check_request(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Keep the resources that the authorization is asked for (section 2.1)."""
    uris = resources.requested(parameters, services)
    resources.check_allowed(client, uris, services, by_itself=False)
    if uris:
        resources.check_scopes(draft.values["scopes"], resources.foreign_scopes(services, uris))
        draft.details[DETAILS] = list(uris)


def check_token_request(request: TokenRequest) -> None:
    """Read the resources of a token request (section 2.2); without a person the client's registration decides."""
    uris = resources.requested(request.parameters, request.services)
    grant_type = request.parameters.get("grant_type")
    if grant_type in OWN_POLICY or not uris:
        return
    by_itself = grant_type in BY_THEMSELVES
    resources.check_allowed(request.client, uris, request.services, by_itself=by_itself)
    _aim(request, uris)


def check_redemption(request: TokenRequest, redemption: Redemption) -> None:
    """Let a token be for what was granted, or less, and for what still may be (section 2.2)."""
    if redemption.is_over:
        return  # RFC 6749 section 5.2: invalid_grant, so that the client starts anew
    services, granted = request.services, tuple(redemption.details.get(DETAILS, ()))
    if not set(request.audience) <= set(granted or (services.settings.issuer,)):
        raise InvalidTargetError("A resource was not part of the authorization")
    if request.audience or not granted:
        return
    # What was taken away since then is no longer given.
    left = [uri for uri in granted if resources.may_ask(redemption.client, uri, services, by_itself=False)]
    if not left:
        raise InvalidTargetError("No resource of the authorization may be used any more")
    _aim(request, tuple(left))


def _aim(request: TokenRequest, audience: tuple[str, ...]) -> None:
    request.audience = audience
    request.excluded_scopes |= resources.foreign_scopes(request.services, audience)


RESOURCE_INDICATORS = Extension(
    name=NAME,
    title="RFC 8707 Resource Indicators",
    specification="https://www.rfc-editor.org/rfc/rfc8707",
    # RFC 9728 section 4
    live_metadata=lambda services: {"protected_resources": [services.settings.issuer, *services.resources]},
    details_check=check_request,
    token_check=check_token_request,
    redemption_check=check_redemption,
)
