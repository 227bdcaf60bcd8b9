"""Rich Authorization Requests: RFC 9396. Operators define the types; clients are registered for those they may use."""

import json
from collections.abc import Mapping
from typing import Any

from clients.client import Client
from server.protocol import authorization_details
from server.protocol.authorization_details import NAME, Details
from server.protocol.authorization_request import Draft
from server.protocol.errors import InvalidAuthorizationDetailsError
from server.protocol.extension import Extension
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.protocol.token_issue import Redemption, TokenRequest

WITHOUT_PERSON = frozenset({"client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"})


def check_request(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Keep what the authorization is asked for (section 2). The person decides about each of it anew (section 12)."""
    objects = authorization_details.read(parameters)
    if not objects:
        return
    authorization_details.check(objects, client, services)
    draft.details[NAME] = objects
    if not client.skip_consent:
        draft.values["prompt"] = draft.values.get("prompt", frozenset()) | {"consent"}


def check_token_request(request: TokenRequest) -> None:
    """Read what a client asks for itself (section 6); in other grants it is compared with what was granted."""
    objects = authorization_details.read(request.parameters)
    if objects and request.parameters.get("grant_type") in WITHOUT_PERSON:
        authorization_details.check(objects, request.client, request.services)
        request.found[NAME] = objects


def check_redemption(request: TokenRequest, redemption: Redemption) -> None:
    """Give what was granted, or the objects of it that the request picks (section 6.1)."""
    if redemption.is_over:
        return  # RFC 6749 section 5.2: invalid_grant, so that the client starts anew
    granted: Details = redemption.details.get(NAME, [])
    # By what it says as JSON: to Python 1, 1.0 and true are the same.
    known = {_canonical(item): item for item in granted}
    wanted = [known.get(_canonical(item)) for item in authorization_details.read(request.parameters) or ()]
    if None in wanted:
        raise InvalidAuthorizationDetailsError("The authorization_details go beyond what was granted")
    # What was taken from the client since then is no longer given.
    request.found[NAME] = [
        item
        for item in wanted or granted
        if item is not None and authorization_details.is_allowed(item, redemption.client, request.services)
    ]


def _canonical(item: Mapping[str, Any]) -> str:
    return json.dumps(item, sort_keys=True)


def add_claim(request: TokenRequest, _details: Mapping[str, Any], claims: dict[str, Any]) -> None:
    """Add what is meant for the token's audience to the token and the response (sections 7 and 9.1)."""
    objects: Details = request.found.get(NAME, [])
    kept = [item for item in objects if authorization_details.is_meant_for(item, request.audience)]
    if kept:
        claims[NAME] = request.members[NAME] = kept


RICH_AUTHORIZATION_REQUESTS = Extension(
    name="rich_authorization_requests",
    title="RFC 9396 Rich Authorization Requests",
    specification="https://www.rfc-editor.org/rfc/rfc9396",
    # section 10
    live_metadata=lambda services: (
        {"authorization_details_types_supported": list(services.detail_types)} if services.detail_types else {}
    ),
    details_check=check_request,
    token_check=check_token_request,
    redemption_check=check_redemption,
    access_token_step=add_claim,
)
