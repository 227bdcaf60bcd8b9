"""Serves the single-page app's files. Settings: ISSUER, API, CLIENT_ID."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1] / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"
ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
API = os.environ.get("API", "http://localhost:8002")
POLICY = f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {ISSUER} {API}; base-uri 'none'"


def _file(path: Path, media_type: str) -> Response:
    return FileResponse(path, media_type=media_type, headers={"content-security-policy": POLICY})


async def page(_request: Request) -> Response:
    """Return the page, also as the redirect URI."""
    return _file(HERE / "index.html", "text/html")


async def script(_request: Request) -> Response:
    """Return the app."""
    return _file(HERE / "app.js", "text/javascript")


async def style(_request: Request) -> Response:
    """Return the stylesheet."""
    return _file(HERE / "style.css", "text/css")


async def library(_request: Request) -> Response:
    """Return oidc-client-ts."""
    return _file(LIBRARY, "text/javascript")


async def config(_request: Request) -> Response:
    """Tell the app where it is."""
    return JSONResponse({"issuer": ISSUER, "api": API, "client_id": os.environ.get("CLIENT_ID", "")})


app = Starlette(
    routes=[
        Route("/", page),
        Route("/callback", page),
        Route("/app.js", script),
        Route("/style.css", style),
        Route("/vendor/oidc-client-ts.js", library),
        Route("/config.json", config),
    ]
)
