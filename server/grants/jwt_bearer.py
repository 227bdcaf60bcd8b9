"""`urn:ietf:params:oauth:grant-type:jwt-bearer`: a token about a person whom a trusted issuer vouches for.

RFC 7523 section 2.1. An issuer is a registered client with `jwks` that the operator has given `jwt_bearer_subjects`,
whom it may speak for. A client presents its own assertions, and those of the issuers in its `jwt_bearer_issuers`.
Nobody is trusted by default.
"""

from collections.abc import Mapping
from typing import Any

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from clients.assertion import check_assertion
from clients.client import Client
from clients.metadata import JWT_BEARER
from keys.jose import (
    LEEWAY_SECONDS,
    SIGNING_ALGORITHMS,
    JoseError,
    candidates,
    unverified_claims,
    verify,
)
from server.accounts.user import User
from server.events.audit import record
from server.events.names import Event
from server.grants.response import TokenResponse, lifetime_of, mint, permitted_there
from server.protocol.checks import requested_scopes
from server.protocol.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError, OAuth2Error, because
from server.protocol.resources import check_scopes
from server.protocol.token_issue import TokenRequest
from server.storage import authorizations, clients, one_time, users
from server.tokens import opaque
from server.tokens.access_token import AccessTokenClaims

JTI_KIND = "jwt_bearer"
TYPES = ("", "JWT")
NEEDS_SIGN_IN = frozenset({"openid", "offline_access", "account"})
"""What only the person can give: to be told of a sign-in, access without end, and the account itself."""
ANYBODY = "*"
_REFUSED = "The assertion is not valid, or its issuer may not speak for this subject"


class JwtBearerGrant(BaseGrant, TokenEndpointMixin):
    """Gives an access token without a sign-in: no ID token, no refresh token (RFC 7521 section 4.1)."""

    GRANT_TYPE = JWT_BEARER
    NEEDS_DATABASE = True
    claims: Mapping[str, Any]
    user: User
    scopes: tuple[str, ...]

    def validate_token_request(self) -> None:
        """Check who issued the assertion, all it says, and the scope; nothing is used up before."""
        assertion = self.request.parameters.get("assertion")
        if assertion is None:
            raise InvalidRequestError("The assertion is missing")
        scope = self.request.parameters.get("scope")
        self.scopes = requested_scopes(scope, self.client, self.server.services)
        if scope is None:
            self.scopes = tuple(name for name in self.scopes if name not in NEEDS_SIGN_IN)
        else:
            check_scopes(self.scopes, self.request.token_request.excluded_scopes)
        if NEEDS_SIGN_IN.intersection(self.scopes):
            raise InvalidScopeError("A requested scope needs a person who signs in")
        issuer = self._issuer(assertion)
        self.claims = self._verified(assertion, issuer)
        self.user = self._subject(issuer)

    def _issuer(self, assertion: str) -> Client:
        try:
            unverified_issuer = unverified_claims(assertion).get("iss")
        except JoseError as error:
            raise self._refused(error.reason) from None
        if unverified_issuer not in (self.client.client_id, *self.client.jwt_bearer_issuers):
            raise self._refused("iss is neither the client itself nor one of its jwt_bearer_issuers")
        issuer = clients.find_client(self.server.db, str(unverified_issuer))
        if issuer is None or issuer.disabled or not issuer.jwt_bearer_subjects:
            raise self._refused(f"{unverified_issuer} is no enabled client with jwt_bearer_subjects")
        return issuer

    def _refused(self, cause: str) -> OAuth2Error:
        """Write down why, and return the error, which says no more to the client than that it is refused."""
        record(
            self.server.db,
            Event.ASSERTION_REFUSED,
            self.request.context,
            now=self.server.now,
            client_id=self.client.client_id,
            cause=cause,
        )
        return because(InvalidGrantError(_REFUSED), cause)

    def _verified(self, assertion: str, issuer: Client) -> Mapping[str, Any]:
        """Return the claims of an assertion that is signed, for us, fresh and short-lived (section 3)."""
        now = self.server.now
        try:
            verified = verify(
                assertion,
                find_key=lambda kid: candidates(issuer.keys, kid),
                algorithms=SIGNING_ALGORITHMS,
                types=TYPES,
            )
            check_assertion(verified.claims, now=now, audiences=(self.server.services.settings.issuer,))
        except JoseError as error:
            raise self._refused(error.reason) from None
        claims = verified.claims
        if not isinstance(claims.get("sub"), str):
            raise self._refused("sub is missing")
        return claims

    def _subject(self, issuer: Client) -> User:
        """Return the person, if the issuer may speak for them: by id, or for a role, or for anybody."""
        user = users.find_by_id(self.server.db, self.claims["sub"])
        if user is None or not user.is_active:
            raise self._refused("sub is no active person")
        names = {ANYBODY, f"user:{user.id}", *(f"role:{role}" for role in user.roles)}
        if not names.intersection(issuer.jwt_bearer_subjects):
            raise self._refused("the jwt_bearer_subjects of the issuer do not include the person")
        return user

    def create_token_response(self) -> TokenResponse:
        """Use the assertion up and mint the token, on an authorization that ends with the person's account."""
        db, now, request = self.server.db, self.server.now, self.request.token_request
        digest = opaque.digest(JTI_KIND, f"{self.claims['iss']}\0{self.claims['jti']}")
        ends = self.claims["exp"] + LEEWAY_SECONDS
        if not one_time.consume_foreign(db, JTI_KIND, digest, now=now, expires_at=ends):
            raise InvalidGrantError("The assertion was used before")
        lifetime = lifetime_of(self.client, self.server)
        authorization_id = self._authorize(now + lifetime)
        record(
            db,
            Event.ASSERTION_ACCEPTED,
            self.request.context,
            now=now,
            user_id=self.user.id,
            client_id=self.client.client_id,
            issuer=self.claims["iss"],
            authorization_id=authorization_id,
        )
        body = mint(request, self._claims(request, authorization_id), {}, lifetime)
        return 200, body, default_json_headers

    def _authorize(self, expires_at: int) -> str:
        authorization_id = opaque.new_identifier("aut_")
        row = {
            "id": authorization_id,
            "user_id": self.user.id,
            "client_id": self.client.client_id,
            "session_id": "",
            "scope": " ".join(self.scopes),
            "claims": {},
            "details": {},
            "auth_time": self.server.now,
            "acr": "",
            "amr": [],
            "created_at": self.server.now,
            "expires_at": expires_at,
        }
        authorizations.add(self.server.db, row)
        return authorization_id

    def _claims(self, request: TokenRequest, authorization_id: str) -> AccessTokenClaims:
        permitted = permitted_there(request, self.scopes)
        return AccessTokenClaims(
            subject=request.services.subject_of(self.client, self.user.id),
            client_id=self.client.client_id,
            audience=request.services.settings.issuer,
            scope=" ".join(self.scopes),
            authorization_id=authorization_id,
            person=request.services.person_claims(self.server.db, self.user, permitted),
        )
