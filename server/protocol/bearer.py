"""Access tokens at our own protected resources: RFC 6750, RFC 9068 section 4, and what binds them to their sender."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.requests import Request

from keys.jose import JoseError
from server.accounts.sessions import AAL2
from server.accounts.user import User
from server.protocol import dpop_proof
from server.protocol.dpop_proof import DpopProblem
from server.protocol.errors import BearerError, InvalidRequestError, because
from server.protocol.request import FORM_TYPE, HttpFacts, form_parameters, query_parameters
from server.protocol.services import Services, services_of
from server.storage import authorizations, clients, revoked_tokens, users
from server.tokens import access_token

BEARER = 'Bearer realm="ostiary"'
DPOP = f'DPoP realm="ostiary", {dpop_proof.CHALLENGE}'
CONFIRMATIONS = frozenset({"jkt", "x5t#S256"})
"""The ways to bind a token that are checked here; one that is bound in another way is refused."""


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


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """An access token as it came: nobody has checked it yet."""

    value: str = field(repr=False)
    http: HttpFacts
    """The request it came with, for what binds it to its sender."""
    is_dpop: bool = False
    """Whether it came by the scheme of RFC 9449 section 7.1, so that checking it uses its proof up in the database."""

    def refusal(
        self, description: str, *, error: str = "invalid_token", headers: Mapping[str, str] = MappingProxyType({})
    ) -> BearerError:
        """Return the refusal, challenging by the scheme that was used."""
        scheme = DPOP if self.is_dpop else BEARER
        return BearerError(error, description, scheme=scheme, headers=headers)


def http_facts(request: Request) -> HttpFacts:
    """Return the facts of a request, with its URL by the issuer's configuration (RFC 9449 section 4.3)."""
    path = request.scope.get("raw_path") or quote(request.scope["path"]).encode("ascii")
    return HttpFacts.of(request, services_of(request).settings.origin + path.decode("latin-1"))


def token_in_header(request: Request) -> PresentedToken | None:
    """Return what stands in the Authorization header by a scheme for access tokens. Raises BearerError."""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise BearerError("invalid_request", "The Authorization header is repeated", status=400)
    scheme, _, value = (headers[0] if headers else "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        return None
    return PresentedToken(value.strip(), http_facts(request), is_dpop=scheme.lower() == "dpop")


async def presented_token(request: Request) -> PresentedToken:
    """Return the one access token of a request (RFC 6750 section 2). Raises BearerError."""
    try:
        return await _presented_token(request)
    except InvalidRequestError as error:
        # RFC 6750 section 3: a protected resource refuses with a challenge, whatever could not be read
        raise BearerError("invalid_request", str(error.description), status=400) from None


async def _presented_token(request: Request) -> PresentedToken:
    in_header = token_in_header(request)
    found = [] if in_header is None else [in_header]
    if request.method == "POST" and _is_form(request):
        parameters = await form_parameters(request)
        value_in_form = parameters.get("access_token")
        if value_in_form is not None:
            found.append(PresentedToken(value_in_form, http_facts(request)))
        if "access_token" in parameters.repeated:
            raise BearerError("invalid_request", "The access token is given more than once", status=400)
    if query_parameters(request).get("access_token") is not None:
        # RFC 9700 section 4.3.2: tokens in URLs leak through logs and history
        raise BearerError("invalid_request", "Access tokens in the query string are not accepted", status=400)
    if not found:
        raise BearerError(other_scheme=DPOP)
    if len(found) > 1:
        raise BearerError("invalid_request", "The access token is given more than once", status=400)
    return found[0]


def _is_form(request: Request) -> bool:
    # RFC 9110 section 8.3.1: a media type is compared without case
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE


def check(db: Connection, services: Services, token: PresentedToken, *, now: int) -> BearerToken:
    """Verify a token, that nothing revoked it, and that it came from whom it is bound to. Raises BearerError."""
    try:
        issuer = services.settings.issuer
        claims = access_token.read(db, services.keys, issuer, token.value, now=now, audience=issuer)
    except JoseError as error:
        raise because(token.refusal("The access token is not valid or has expired"), str(error)) from None
    authorization = find_authorization(db, services, claims, now=now)
    # Not by `sub`, which may be pairwise (OpenID Connect Core section 8.1).
    user = users.find_by_id(db, authorization["user_id"]) if authorization is not None else None
    if authorization is None or user is None:
        raise token.refusal("The access token was revoked or is not about a person")
    client_id = str(claims.get("client_id"))
    client = services.registry.cached(client_id) or clients.find_client(db, client_id)
    algorithms = dpop_proof.ALGORITHMS if client is None else client.security_profile.algorithms
    check_sender(db, services, token, claims.get("cnf", {}), now=now, algorithms=algorithms)
    return BearerToken(claims, authorization, user)


def check_sender(
    db: Connection,
    services: Services,
    token: PresentedToken,
    confirmation: Mapping[str, Any],
    *,
    now: int,
    algorithms: Collection[str] = dpop_proof.ALGORITHMS,
) -> None:
    """Check that a token came from whoever holds what it is bound to (RFC 7800 section 3). Raises BearerError."""
    if not confirmation.keys() <= CONFIRMATIONS:
        raise token.refusal("The access token is bound to something unknown here")
    certificate = token.http.certificate
    expected = confirmation.get("x5t#S256")
    if expected is not None and (certificate is None or not certificate.has_thumbprint(expected)):
        # RFC 8705 section 3
        raise token.refusal("The access token is bound to a certificate that was not shown")
    if "jkt" not in confirmation:
        if token.is_dpop:
            # RFC 9449 section 7.1: a Bearer token does not become more by its scheme
            raise token.refusal("The access token is not bound to a key")
        return
    if not token.is_dpop:
        # RFC 9449 section 7.2: as Bearer it would be as good for a thief
        raise BearerError("invalid_token", "The access token needs a DPoP proof", scheme=DPOP)
    try:
        proof = dpop_proof.check(db, services, token.http, now=now, access_token=token.value, algorithms=algorithms)
    except DpopProblem as problem:
        headers = dpop_proof.nonce_headers(services, now)
        raise token.refusal(problem.description, error=problem.error, headers=headers) from None
    if proof.jkt != confirmation["jkt"]:
        raise token.refusal("The access token is bound to another key")


def check_authentication(token: BearerToken, *, now: int, acr: str | None = None, max_age: int | None = None) -> None:
    """Refuse a token of a sign-in that is weaker or older than demanded (RFC 9470 section 3). Raises BearerError."""
    authorization, wanted = token.authorization, {}
    # The strongest sign-in satisfies every demand.
    if acr is not None and authorization["acr"] not in (acr, AAL2):
        wanted["acr_values"] = acr
    if max_age is not None and now - authorization["auth_time"] > max_age:
        wanted["max_age"] = str(max_age)
    if wanted:
        scheme = DPOP if "jkt" in token.claims.get("cnf", {}) else BEARER
        description = "A fresh or stronger sign-in is needed"
        raise BearerError("insufficient_user_authentication", description, scheme=scheme, challenge=wanted)


def find_authorization(
    db: Connection, services: Services, claims: Mapping[str, Any], *, now: int
) -> Mapping[str, Any] | None:
    """Return the live authorization behind a verified token, None where it was revoked or there is none."""
    if not isinstance(claims.get("gid"), str) or revoked_tokens.is_revoked(db, claims["jti"]):
        return None
    client_id = str(claims.get("client_id"))
    # An exchanged token hangs on an authorization of another client, so that nothing revoked it with its own.
    client = services.registry.cached(client_id) or clients.find_client(db, client_id)
    if client is None or client.disabled:
        return None
    return authorizations.find_live(db, claims["gid"], now)
