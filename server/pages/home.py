"""The page at the issuer's own address, for people who come by."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server.pages.visit import Visit


async def home(request: Request) -> Response:
    """Say what this is and where to go."""
    visit = Visit.of(request)
    url = visit.renderer.url
    context = {"account_url": url("/account"), "discovery_url": url("/.well-known/openid-configuration")}
    return visit.page("home.html", context)


async def brand_stylesheet(request: Request) -> Response:
    """Return the brand's colours."""
    renderer = request.app.state.renderer
    headers = {"cache-control": "public, max-age=86400"}
    return Response(renderer.brand_stylesheet, headers=headers, media_type="text/css")


async def robots(_request: Request) -> Response:
    """Keep crawlers out of sign-in pages."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n", headers={"cache-control": "public, max-age=86400"})
