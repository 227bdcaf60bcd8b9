"""The token response that the grants about a person share: RFC 6749 section 5.1."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from authlib.consts import default_json_headers
from sqlalchemy import Connection

from clients.client import Client
from server.accounts.user import User
from server.protocol.authorization_server import AuthorizationServer
from server.protocol.resources import check_scopes
from server.protocol.services import Services
from server.protocol.signing import first_algorithm
from server.protocol.token_issue import Redemption, TokenIssue, TokenRequest
from server.tokens import access_token
from server.tokens.access_token import AccessTokenClaims

TokenResponse = tuple[int, dict[str, Any], list[tuple[str, str]]]


def lifetime_of(client: Client, server: AuthorizationServer) -> int:
    """Return how long an access token of the client lives, in seconds."""
    return client.access_token_seconds or server.services.settings.access_token_seconds


def check_redemption(request: Any, redemption: Redemption, scopes: Collection[str]) -> None:
    """Let every extension check a code or refresh token for some scopes before it is used up."""
    token_request: TokenRequest = request.token_request
    for check in token_request.services.hooks.redemption_checks:
        check(token_request, redemption)
    check_scopes(scopes, token_request.excluded_scopes)


def mint(request: TokenRequest, claims: AccessTokenClaims, details: Mapping[str, Any], lifetime: int) -> dict[str, Any]:
    """Mint an access token with what extensions add to it, and return the members of the response that tell of it."""
    services = request.services
    added: dict[str, Any] = dict(claims.added)
    if request.confirmation:
        added["cnf"] = dict(request.confirmation)
    for step in services.hooks.access_token_steps:
        step(request, details, added)
    scope = " ".join(permitted_there(request, claims.scope.split()))
    audience = request.audience[0] if len(request.audience) == 1 else request.audience or services.settings.issuer
    claims = replace(claims, audience=audience, scope=scope, added=added)
    token = _sign_or_store(request, claims, lifetime)
    body: dict[str, Any] = {"access_token": token, "token_type": request.token_type, "expires_in": lifetime}
    if claims.scope:
        body["scope"] = claims.scope
    return body | request.members


def _sign_or_store(request: TokenRequest, claims: AccessTokenClaims, lifetime: int) -> str:
    services, issuer = request.services, request.services.settings.issuer
    if not request.client.has_opaque_access_tokens:
        algorithm = first_algorithm(request.client, services.settings)
        return access_token.mint(services.keys, issuer, claims, now=request.now, lifetime=lifetime, algorithm=algorithm)
    if request.db is None:
        raise RuntimeError("opaque access tokens need the database")
    return access_token.mint_opaque(request.db, issuer, claims, now=request.now, lifetime=lifetime)


def permitted_there(request: TokenRequest, scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that mean something at the audience of the access token (RFC 8707 section 2.2)."""
    return tuple(name for name in scopes if name not in request.excluded_scopes)


def claims_for_person(
    db: Connection,
    services: Services,
    client: Client,
    user: User,
    authorization: Mapping[str, Any],
    scopes: tuple[str, ...],
) -> AccessTokenClaims:
    """Return what an access token about a person says."""
    return AccessTokenClaims(
        subject=services.subject_of(client, user.id),
        client_id=client.client_id,
        audience=services.settings.issuer,
        scope=" ".join(scopes),
        authorization_id=authorization["id"],
        auth_time=authorization["auth_time"],
        acr=authorization["acr"],
        amr=tuple(authorization["amr"]),
        person=services.person_claims(db, user, scopes),
    )


def for_person(
    server: AuthorizationServer,
    request: TokenRequest,
    client: Client,
    user: User,
    authorization: Mapping[str, Any],
    scopes: tuple[str, ...],
    *,
    nonce: str | None,
    refresh_token: str | None,
) -> TokenResponse:
    """Mint an access token about a person, let the extensions add theirs, and return the response."""
    services = server.services
    lifetime = lifetime_of(client, server)
    permitted = permitted_there(request, scopes)
    claims = claims_for_person(server.db, services, client, user, authorization, permitted)
    body = mint(request, claims, authorization["details"], lifetime)
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    issue = TokenIssue(
        db=server.db,
        services=services,
        client=client,
        user=user,
        authorization=authorization,
        scopes=scopes,
        access_token=body["access_token"],
        now=server.now,
        nonce=nonce,
        request=request,
    )
    for step in services.hooks.response_steps:
        step(issue, body)
    return 200, body, default_json_headers
