"""Access tokens at our own protected resources: RFC 6750 and RFC 9068 section 4."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request

from keys.jose import JoseError
from server.accounts.user import User
from server.protocol.errors import BearerError
from server.protocol.request import FORM_TYPE, form_parameters, query_parameters
from server.protocol.services import Services
from server.storage import authorizations, revoked_tokens, users
from server.tokens import access_token


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A verified access token of a person whose authorization is live."""

    claims: Mapping[str, Any]
    authorization: Mapping[str, Any]
    user: User

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of the token."""
        return frozenset(str(self.claims.get("scope", "")).split())


async def presented_token(request: Request) -> str:
    """Return the one access token of a request (RFC 6750 section 2). Raises BearerError, InvalidRequestError."""
    found = []
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            found.append(value.strip())
    if request.method == "POST" and request.headers.get("content-type", "").startswith(FORM_TYPE):
        parameters = await form_parameters(request)
        value_in_form = parameters.get("access_token")
        if value_in_form is not None:
            found.append(value_in_form)
        if "access_token" in parameters.repeated:
            raise BearerError("invalid_request", "The access token is given more than once", status=400)
    if query_parameters(request).get("access_token") is not None:
        # RFC 9700 section 4.3.2: tokens in URLs leak through logs and history
        raise BearerError("invalid_request", "Access tokens in the query string are not accepted", status=400)
    if not found:
        raise BearerError
    if len(found) > 1:
        raise BearerError("invalid_request", "The access token is given more than once", status=400)
    return found[0]


def check(db: Connection, services: Services, token: str, *, now: int) -> BearerToken:
    """Verify a token and that nothing revoked it. Raises BearerError."""
    try:
        issuer = services.settings.issuer
        claims = access_token.read(services.keys, issuer, token, now=now, audience=issuer)
    except JoseError:
        raise BearerError("invalid_token", "The access token is not valid or has expired") from None
    authorization = find_authorization(db, services, claims, now=now)
    user = users.find_by_id(db, str(claims["sub"])) if authorization is not None else None
    if authorization is None or user is None:
        raise BearerError("invalid_token", "The access token was revoked or is not about a person")
    return BearerToken(claims, authorization, user)


def find_authorization(
    db: Connection, services: Services, claims: Mapping[str, Any], *, now: int
) -> Mapping[str, Any] | None:
    """Return the live authorization behind a verified token, None where it was revoked or there is none."""
    if not isinstance(claims.get("gid"), str) or revoked_tokens.is_revoked(db, claims["jti"]):
        return None
    client = services.registry.cached(str(claims.get("client_id")))
    if client is not None and client.disabled:
        return None
    return authorizations.find_live(db, claims["gid"], now)
