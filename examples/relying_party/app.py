"""A web application that signs people in through the authorization server: Authlib's client on Starlette.

Settings: ISSUER, CLIENT_ID, CLIENT_SECRET, BASE (its own address), SESSION_KEY.
"""

import html
import os
import secrets
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
BASE = os.environ.get("BASE", "http://localhost:8001")

oauth = OAuth()
oauth.register(
    "ostiary",
    client_id=os.environ.get("CLIENT_ID", ""),
    client_secret=os.environ.get("CLIENT_SECRET", ""),
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Example shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/style.css">
<body><main><h1>Example shop</h1>{}</main></body></html>"""
STYLE = """:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-inline-size: 32rem; margin: 4rem auto; padding: 0 1rem; }"""


async def home(request: Request) -> Response:
    """Greet whoever is signed in."""
    user = request.session.get("user")
    if user is None:
        return HTMLResponse(PAGE.format('<p><a href="/login">Sign in</a></p>'))
    name = html.escape(str(user.get("name") or user["sub"]))
    text = f'<p id="greeting">Hello {name} ({html.escape(str(user.get("email", "")))})</p>'
    return HTMLResponse(PAGE.format(text + '<p><a href="/logout">Sign out</a></p>'))


async def login(request: Request) -> Response:
    """Send the browser to the authorization server."""
    response: Response = await oauth.ostiary.authorize_redirect(request, f"{BASE}/callback")
    return response


async def callback(request: Request) -> Response:
    """Take the answer: Authlib checks state, nonce, issuer and signature."""
    try:
        token = await oauth.ostiary.authorize_access_token(request)
    except OAuthError as error:
        text = "You did not allow the sign-in." if error.error == "access_denied" else html.escape(error.error)
        return HTMLResponse(PAGE.format(f'<p>{text}</p><p><a href="/">Back</a></p>'), 400)
    if request.query_params.get("iss") != ISSUER:  # RFC 9207 section 2.4
        return HTMLResponse(PAGE.format("<p>The answer came from somebody else.</p>"), 400)
    # With a code flow, claims about the person come from UserInfo (OpenID Connect Core section 5.4).
    claims = await oauth.ostiary.userinfo(token=token)
    if claims["sub"] != token["userinfo"]["sub"]:
        return HTMLResponse(PAGE.format("<p>UserInfo is about somebody else.</p>"), 400)
    request.session["user"] = {name: claims.get(name) for name in ("sub", "name", "email")}
    request.session["id_token"] = token["id_token"]
    return RedirectResponse("/", 303)


async def style(_request: Request) -> Response:
    """Return the stylesheet."""
    return Response(STYLE, media_type="text/css")


async def logout(request: Request) -> Response:
    """Sign out here and at the authorization server."""
    hint = request.session.get("id_token")
    request.session.clear()
    metadata = await oauth.ostiary.load_server_metadata()
    parameters = {"post_logout_redirect_uri": f"{BASE}/", "client_id": os.environ.get("CLIENT_ID", "")}
    if hint:
        parameters["id_token_hint"] = hint
    return RedirectResponse(f"{metadata['end_session_endpoint']}?{urlencode(parameters)}", 303)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/login", login),
        Route("/callback", callback),
        Route("/logout", logout),
        Route("/style.css", style),
    ],
    middleware=[
        Middleware(
            SessionMiddleware,
            secret_key=os.environ.get("SESSION_KEY") or secrets.token_urlsafe(32),
            session_cookie="example_shop",
            same_site="lax",
        )
    ],
)
