"""The answer to the client: a redirect with parameters in its query or fragment, or a form that the browser posts.

Every answer carries `iss`, errors too (RFC 9207 section 2), and `state` byte for byte as it came.
"""

from collections.abc import Mapping

from starlette.responses import Response

from clients.client import Client
from server.pages.visit import Visit, stale
from server.protocol.authorization_request import BACKCHANNEL_MODE, DEVICE_MODE, AuthorizationRequest
from server.protocol.response import with_parameters


def to_client(
    visit: Visit, request: AuthorizationRequest, client: Client | None, parameters: Mapping[str, str]
) -> Response:
    """Answer an authorization request."""
    if client is None:
        raise stale()
    return send(visit, client, request.redirect_uri, request.response_mode, request.state, parameters)


def send(
    visit: Visit,
    client: Client,
    redirect_uri: str,
    response_mode: str,
    state: str | None,
    parameters: Mapping[str, str],
) -> Response:
    """Send parameters to a proven redirect URI; who asks from elsewhere learns by polling, and the person by a page."""
    if response_mode == DEVICE_MODE:
        return _device_page(visit, client, parameters.get("error"))
    if response_mode == BACKCHANNEL_MODE:
        return visit.redirect(f"{redirect_uri}?done={'over' if 'error' in parameters else 'approved'}")
    values = {**parameters}
    if state is not None:
        values["state"] = state
    values["iss"] = visit.services.settings.issuer
    transport, _, encoding = response_mode.partition(".")
    if encoding:
        values = _encoded(visit, client, encoding, values)
    if transport == "form_post":
        context = {"action": redirect_uri, "params": values}
        return visit.page("form_post.html", context, form_targets=(redirect_uri,))
    return visit.redirect(with_parameters(redirect_uri, values, in_fragment=transport == "fragment"))


def _device_page(visit: Visit, client: Client, error: str | None) -> Response:
    context = {
        "client_name": client.client_name or client.client_id,
        "is_connected": error is None,
        "is_denied": error == "access_denied",
        "account_url": visit.renderer.url("/account"),
    }
    return visit.page("device_done.html", context)


def _encoded(visit: Visit, client: Client, encoding: str, values: dict[str, str]) -> dict[str, str]:
    ways = (extension.response_encodings.get(encoding) for extension in visit.services.extensions)
    way = next(way for way in ways if way is not None)
    return way.encode(visit.services, client, values, visit.now)
