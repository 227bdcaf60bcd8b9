"""The logo of a client, from our own origin."""

from starlette.requests import Request
from starlette.responses import Response

from server.protocol.services import services_of

_SECONDS = 3600


async def client_logo(request: Request) -> Response:
    """Return the image; 404 where the client has none that we show, or where there is no such client."""
    services = services_of(request)
    client = await services.registry.find(request.query_params.get("client_id", ""))
    logo = None if client is None or client.disabled else await services.client_logos.find(client)
    if logo is None:
        return Response(status_code=404, headers={"cache-control": "no-store"})
    headers = {"cache-control": f"private, max-age={_SECONDS}", "cross-origin-resource-policy": "same-origin"}
    return Response(logo.body, media_type=logo.content_type, headers=headers)
