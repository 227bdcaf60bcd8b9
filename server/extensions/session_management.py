"""Session management: OpenID Connect Session Management 1.0. Off unless an operator switches it on.

A client frames `check_session_iframe` and asks it whether the sign-in has changed. Browsers that keep third-party
cookies away answer `changed` for ever; the logout specifications do without.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.accounts.session_state import browser_state, session_state
from server.accounts.sessions import Session
from server.pages import cookies
from server.pages.render import Renderer
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.extension import Endpoint, Extension
from server.protocol.services import Services, services_of

POLICY = "default-src 'none'; script-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors *"
"""The one page that others may frame: it shows nothing, and its script answers one question."""
PAGE = """<!doctype html>
<html lang="en" data-cookie="{cookie}">
<head><meta charset="utf-8"><title>Session</title><script src="{script}" defer></script></head>
<body></body>
</html>
"""


async def check_session(request: Request) -> Response:
    """Return the page of section 3.3. It is the same for everybody: the browser's cookie stays in the browser."""
    settings = services_of(request).settings
    renderer: Renderer = request.app.state.renderer
    # Neither part holds what anybody else chose.
    page = PAGE.format(cookie=cookies.name_of(cookies.STATE, settings), script=renderer.static("check_session.js"))
    headers = {
        "content-security-policy": POLICY,
        "cache-control": "public, max-age=300",
        "referrer-policy": "no-referrer",
    }
    return HTMLResponse(page, headers=headers)


def add_session_state(
    services: Services, request: AuthorizationRequest, session: Session, parameters: dict[str, str]
) -> None:
    """Add `session_state` to the answer of an authentication request (section 2)."""
    if not request.is_openid:
        return
    state = session_state(request.client_id, request.redirect_uri, browser_state(services.sealer, session.id))
    if state is not None:
        parameters["session_state"] = state


SESSION_MANAGEMENT = Extension(
    name="session_management",
    title="OpenID Connect Session Management 1.0",
    specification="https://openid.net/specs/openid-connect-session-1_0.html",
    is_enabled=lambda settings: settings.session_management,
    authorization_response_step=add_session_state,
    endpoints=(Endpoint("check_session_iframe", "/check-session", ("GET",), check_session),),
)
