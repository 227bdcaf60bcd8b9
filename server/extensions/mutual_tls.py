"""Mutual TLS: RFC 8705. A proxy speaks TLS and hands the certificate over, or we do (`middleware.proxies`)."""

from typing import Any

from clients.authentication import METHODS, PKI_TLS_METHOD, SELF_SIGNED_TLS_METHOD
from clients.client import Client
from server.protocol.authorization_request import Draft
from server.protocol.errors import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from server.protocol.extension import Extension
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.protocol.token_issue import Redemption, TokenIssue, TokenRequest
from server.settings import Settings
from server.storage import authorizations

NAME = "mutual_tls"
CONFIRMATION = "x5t#S256"
REFRESH_KEY = "refresh"
"""What is kept with an authorization: the certificate its refresh tokens are bound to."""
ALIASED = frozenset(
    {
        "token_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "userinfo_endpoint",
        "device_authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "backchannel_authentication_endpoint",
    }
)
"""The endpoints that clients call themselves (section 5)."""


def is_enabled(settings: Settings) -> bool:
    """Whether a proxy tells of certificates, or clients show them to us."""
    return bool(settings.client_certificate_header or settings.tls_client_ca)


def served_methods(settings: Settings) -> list[str]:
    """Return the methods of client authentication that these settings serve, with those of sections 2.1 and 2.2."""
    pki = [PKI_TLS_METHOD] if settings.client_certificate_verified_header or settings.tls_client_ca else []
    # Our own TLS takes only certificates that OSTIARY_TLS_CLIENT_CA vouches for.
    self_signed = [SELF_SIGNED_TLS_METHOD] if settings.client_certificate_header else []
    return [*METHODS, *pki, *self_signed]


def check_response_type(draft: Draft, _parameters: Parameters, client: Client, _services: Services) -> None:
    """Refuse tokens of the authorization endpoint to a client whose tokens are bound: browsers show no certificate."""
    if client.tls_client_certificate_bound_access_tokens and "token" in str(draft.values["response_type"]).split():
        raise UnauthorizedClientError("The client must show its certificate, which this response_type cannot")


def check_certificate(request: TokenRequest) -> None:
    """Bind the tokens of a client that asked for it to the certificate that it shows (sections 3 and 3.4)."""
    if not request.client.tls_client_certificate_bound_access_tokens:
        return
    certificate = request.http.certificate
    if certificate is None:
        raise InvalidRequestError("The client must show its certificate in TLS")
    request.confirmation[CONFIRMATION] = certificate.thumbprint


def check_binding(request: TokenRequest, redemption: Redemption) -> None:
    """Refuse the refresh token of a public client from anybody without its certificate (section 4)."""
    expected = redemption.details.get(NAME, {}).get(REFRESH_KEY)
    if expected is None or redemption.grant_type != "refresh_token" or not redemption.client.is_public:
        return
    certificate = request.http.certificate
    if certificate is None or not certificate.has_thumbprint(expected):
        raise InvalidGrantError("It is bound to a certificate that was not shown")


def bind_refresh_token(issue: TokenIssue, body: dict[str, Any]) -> None:
    """Bind the refresh tokens of a public client to its certificate (section 4)."""
    shown = None if issue.request is None else issue.request.confirmation.get(CONFIRMATION)
    details = issue.authorization["details"]
    if shown is None or not issue.client.is_public or "refresh_token" not in body or NAME in details:
        return
    authorizations.add_details(issue.db, issue.authorization["id"], {NAME: {REFRESH_KEY: shown}})


def metadata(services: Services) -> dict[str, Any]:
    """Return what sections 2.1.1, 3.3 and 5 ask for."""
    settings = services.settings
    methods = served_methods(settings)
    document: dict[str, Any] = {
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [name for name in methods if name != "none"],
        "tls_client_certificate_bound_access_tokens": True,
    }
    if settings.mtls_url:
        base = settings.mtls_url.rstrip("/")
        paths = {one.name: one.path for extension in services.extensions for one in extension.endpoints}
        paths["token_endpoint"] = "/token"
        document["mtls_endpoint_aliases"] = {name: base + paths[name] for name in sorted(ALIASED & paths.keys())}
    return document


MUTUAL_TLS = Extension(
    name=NAME,
    title="RFC 8705 OAuth 2.0 Mutual-TLS",
    specification="https://www.rfc-editor.org/rfc/rfc8705",
    is_enabled=is_enabled,
    metadata=metadata,
    authorization_check=check_response_type,
    token_check=check_certificate,
    redemption_check=check_binding,
    response_step=bind_refresh_token,
)
