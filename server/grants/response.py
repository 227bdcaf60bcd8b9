"""The token response that the grants about a person share: RFC 6749 section 5.1."""

from collections.abc import Mapping
from typing import Any

from authlib.consts import default_json_headers

from clients.client import Client
from server.accounts.user import User
from server.protocol.authorization_server import AuthorizationServer
from server.protocol.token_issue import TokenIssue
from server.tokens import access_token

TokenResponse = tuple[int, dict[str, Any], list[tuple[str, str]]]


def lifetime_of(client: Client, server: AuthorizationServer) -> int:
    """Return how long an access token of the client lives, in seconds."""
    return client.access_token_seconds or server.services.settings.access_token_seconds


def for_person(
    server: AuthorizationServer,
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
    claims = access_token.AccessTokenClaims(
        subject=user.id,
        client_id=client.client_id,
        audience=services.settings.issuer,
        scope=" ".join(scopes),
        authorization_id=authorization["id"],
        auth_time=authorization["auth_time"],
        acr=authorization["acr"],
        amr=tuple(authorization["amr"]),
        person=services.person_claims(server.db, user, scopes),
    )
    token = access_token.mint(services.keys, services.settings.issuer, claims, now=server.now, lifetime=lifetime)
    body: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
    if scopes:
        body["scope"] = " ".join(scopes)
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    issue = TokenIssue(
        db=server.db,
        services=services,
        client=client,
        user=user,
        authorization=authorization,
        scopes=scopes,
        access_token=token,
        now=server.now,
        nonce=nonce,
    )
    for extension in services.extensions:
        if extension.response_step is not None:
            extension.response_step(issue, body)
    return 200, body, default_json_headers
