"""The answer to the client: a redirect with query parameters, or a form that the browser posts.

Every answer carries `iss`, errors too (RFC 9207 section 2), and `state` byte for byte as it came.
"""

from collections.abc import Mapping

from starlette.responses import Response

from server.pages.visit import Visit
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.response import with_parameters


def to_client(visit: Visit, request: AuthorizationRequest, parameters: Mapping[str, str]) -> Response:
    """Answer an authorization request."""
    return send(visit, request.redirect_uri, request.response_mode, request.state, parameters)


def send(
    visit: Visit, redirect_uri: str, response_mode: str, state: str | None, parameters: Mapping[str, str]
) -> Response:
    """Send parameters to a proven redirect URI."""
    values = {**parameters}
    if state is not None:
        values["state"] = state
    values["iss"] = visit.services.settings.issuer
    if response_mode == "form_post":
        context = {"action": redirect_uri, "params": values}
        return visit.page("form_post.html", context, form_targets=(redirect_uri,))
    return visit.redirect(with_parameters(redirect_uri, values))
