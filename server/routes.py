"""The table of contents: every path, its methods, its handler, its specification.

Extensions bring theirs through `EXTENSIONS`; what stands here is the core of RFC 6749 and our own pages.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from server.api.routes import Api
from server.endpoints.authorization import authorization
from server.endpoints.client_logo import client_logo
from server.endpoints.health import live, ready
from server.endpoints.metadata import metadata
from server.endpoints.token import token
from server.extensions.protected_resource_metadata import resource_metadata
from server.middleware.cross_origin import CrossOriginRoute
from server.pages import confirm_email, device, forgot_password, home, register, set_password, sign_out, verify_email
from server.pages.account import (
    applications,
    data,
    delete,
    email,
    log,
    overview,
    password,
    profile,
    requests,
    security,
    sessions,
)
from server.pages.render import Renderer
from server.pages.steps import show_interaction, take_interaction
from server.protocol.extension import Endpoint, Extension
from server.protocol.resource_metadata import path_of
from server.settings import Settings

CORE: tuple[Endpoint, ...] = (
    # RFC 6749 section 3.1, OpenID Connect Core section 3.1.2
    Endpoint("authorization_endpoint", "/authorize", ("GET", "POST"), authorization),
    # RFC 6749 section 3.2
    Endpoint("token_endpoint", "/token", ("POST",), token, is_cross_origin=True),
)

Handler = Callable[[Request], Awaitable[Response]]

PAGES: tuple[tuple[str, tuple[str, ...], Handler], ...] = (
    ("/", ("GET",), home.home),
    ("/interaction/{id}", ("GET",), show_interaction),
    ("/interaction/{id}/{step}", ("POST",), take_interaction),
    # The links between the two forms of one interaction.
    ("/interaction/{id}/{step}", ("GET",), register.switch),
    ("/sign-out/{ticket}", ("GET",), sign_out.resume),
    ("/sign-out/{ticket}", ("POST",), sign_out.sign_out),
    ("/account", ("GET",), overview.show),
    ("/device", ("GET",), device.show),
    ("/device/code", ("POST",), device.take),
    ("/account/register", ("GET",), register.begin),
    ("/account/verify-email", ("GET",), verify_email.show),
    ("/account/verify-email", ("POST",), verify_email.take),
    ("/account/verify-email/resend", ("POST",), verify_email.resend),
    ("/account/confirm-email", ("GET",), confirm_email.show),
    ("/account/confirm-email", ("POST",), confirm_email.take),
    ("/account/forgot-password", ("GET",), forgot_password.show),
    ("/account/forgot-password", ("POST",), forgot_password.take),
    ("/account/set-password", ("GET",), set_password.show),
    ("/account/set-password", ("POST",), set_password.take),
    ("/account/profile", ("GET",), profile.show),
    ("/account/profile", ("POST",), profile.take),
    ("/account/email", ("GET",), email.show),
    ("/account/email", ("POST",), email.take),
    ("/account/security", ("GET",), security.show),
    ("/account/password", ("GET",), password.show),
    ("/account/password", ("POST",), password.take),
    ("/account/second-factor", ("POST",), security.enrol),
    ("/account/second-factor/rename", ("POST",), security.rename),
    ("/account/second-factor/remove", ("POST",), security.remove),
    ("/account/second-factor/email", ("POST",), security.enable_email),
    ("/account/recovery-codes", ("POST",), security.make_codes),
    ("/account/trusted-browsers/forget", ("POST",), security.forget_browsers),
    ("/account/sessions", ("GET",), sessions.show),
    ("/account/sessions/end", ("POST",), sessions.end),
    ("/account/sessions/end-others", ("POST",), sessions.end_others),
    ("/account/applications", ("GET",), applications.show),
    ("/account/applications/revoke", ("POST",), applications.revoke),
    ("/account/requests", ("GET",), requests.show),
    ("/account/requests", ("POST",), requests.take),
    ("/account/log", ("GET",), log.show),
    ("/account/data", ("GET",), data.show),
    ("/account/data/download", ("POST",), data.download),
    ("/account/delete", ("GET",), delete.show),
    ("/account/delete", ("POST",), delete.take),
    ("/client-logo", ("GET",), client_logo),
    ("/health/live", ("GET",), live),
    ("/health/ready", ("GET",), ready),
    ("/static/brand.css", ("GET",), home.brand_stylesheet),
    ("/robots.txt", ("GET",), home.robots),
)


def endpoints_of(extensions: tuple[Extension, ...]) -> tuple[Endpoint, ...]:
    """Return every protocol endpoint: the core's and the extensions'."""
    return (*CORE, *(endpoint for extension in extensions for endpoint in extension.endpoints))


def build(settings: Settings, extensions: tuple[Extension, ...], renderer: Renderer) -> list[BaseRoute]:
    """Return the routes, all under the issuer's path."""
    prefix = settings.issuer_path
    # The token endpoint is the busiest: it is matched first.
    ordered = sorted(endpoints_of(extensions), key=lambda endpoint: endpoint.name != "token_endpoint")
    routes: list[BaseRoute] = [_route(prefix, endpoint) for endpoint in ordered]
    routes += _well_known(settings)
    routes += [Route(prefix + path, handler, methods=list(methods)) for path, methods, handler in PAGES]
    routes.append(Route(prefix + "/api/{rest:path}", Api(prefix)))  # has its own table of contents
    routes.append(Mount(f"{prefix}/static", StaticFiles(directory=renderer.static_directory)))
    return routes


def _route(prefix: str, endpoint: Endpoint) -> Route:
    if endpoint.is_cross_origin:
        return CrossOriginRoute(prefix + endpoint.path, endpoint.handler, endpoint.methods)
    return Route(prefix + endpoint.path, endpoint.handler, methods=list(endpoint.methods))


def _well_known(settings: Settings) -> list[BaseRoute]:
    """RFC 8414 section 3.1 puts the issuer's path behind the well-known name; OpenID Connect Discovery before it."""
    path = urlsplit(settings.issuer).path.rstrip("/")
    names = {f"/.well-known/oauth-authorization-server{path}", f"/.well-known/openid-configuration{path}"}
    names.add(f"{path}/.well-known/oauth-authorization-server")
    routes: list[BaseRoute] = [CrossOriginRoute(name, metadata, ("GET",)) for name in sorted(names)]
    # RFC 9728 section 3.1: the same for our own resource, which is named like the issuer
    return [*routes, CrossOriginRoute(path_of(settings), resource_metadata, ("GET",))]
