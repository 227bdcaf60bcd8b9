"""`urn:ietf:params:oauth:grant-type:token-exchange`: a token for another resource, or on behalf of somebody (RFC 8693).

Only our own access tokens are exchanged, and only for access tokens. What comes out never lasts longer, never has more
scope and never loses a binding that what went in had. Section 2.2.2 makes every unacceptable token `invalid_request`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from authlib.consts import default_json_headers
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from clients.metadata import TOKEN_EXCHANGE
from keys.jose import JoseError
from server.accounts.identifiers import USER_ID_PREFIX
from server.events.audit import record
from server.events.names import Event
from server.grants.response import TokenResponse, lifetime_of, mint, permitted_there
from server.protocol import resources
from server.protocol.bearer import find_authorization
from server.protocol.checks import MAX_SCOPE_CHARACTERS
from server.protocol.errors import InvalidRequestError, InvalidScopeError, InvalidTargetError
from server.protocol.token_issue import TokenRequest
from server.storage import authorizations, clients, revoked_tokens, users
from server.tokens import access_token
from server.tokens.access_token import AccessTokenClaims

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
MAX_ACTORS = 5
"""How long a chain of actors may get."""
NOT_PASSED_ON = frozenset({"offline_access"})
"""There is no refresh token (section 2.2.1)."""


class TokenExchangeGrant(BaseGrant, TokenEndpointMixin):
    """Impersonation without an actor token, delegation with one (section 1.1)."""

    GRANT_TYPE = TOKEN_EXCHANGE
    NEEDS_DATABASE = True
    subject: Mapping[str, Any]
    actor: Mapping[str, Any] | None
    scopes: tuple[str, ...]

    def validate_token_request(self) -> None:
        """Check both tokens, who asks, for which resource and for which scope."""
        parameters = self.request.parameters
        if parameters.get("requested_token_type") not in (None, ACCESS_TOKEN):
            raise InvalidRequestError("Only access tokens are issued in exchange")
        if parameters.get("authorization_details") is not None:
            raise InvalidRequestError("The authorization_details cannot be exchanged")
        self.subject = self._token("subject")
        self.actor = None
        if parameters.get("actor_token") is not None or parameters.get("actor_token_type") is not None:
            self.actor = self._token("actor")
        self._check_presenter()
        self._check_actor()
        self._check_binding()
        self._aim()
        self.scopes = self._scopes()

    def _token(self, role: str) -> Mapping[str, Any]:
        """Verify a token of the request, and that nothing revoked it (section 2.1)."""
        parameters, services, now = self.request.parameters, self.server.services, self.server.now
        token = parameters.get(f"{role}_token")
        if token is None or parameters.get(f"{role}_token_type") != ACCESS_TOKEN:
            raise InvalidRequestError(f"The {role}_token must be an access token, with its type beside it")
        try:
            claims = access_token.read(self.server.db, services.keys, services.settings.issuer, token, now=now)
        except JoseError:
            raise InvalidRequestError(f"The {role}_token is not valid or has expired") from None
        if not self._is_live(claims):
            raise InvalidRequestError(f"The {role}_token was revoked")
        return claims

    def _is_live(self, claims: Mapping[str, Any]) -> bool:
        db, services, now = self.server.db, self.server.services, self.server.now
        issued_to = clients.find_client(db, str(claims.get("client_id")))
        if issued_to is None or issued_to.disabled:
            return False
        if "gid" in claims:
            return find_authorization(db, services, claims, now=now) is not None
        return not revoked_tokens.is_revoked(db, claims["jti"])

    def _check_presenter(self) -> None:
        """Only who was given the token, or runs what it is for, may exchange it: a found token is worth nothing."""
        client_id, services, audience = self.client.client_id, self.server.services, _audience(self.subject)
        served = {uri for uri, resource in services.resources.items() if client_id in resource.served_by}
        # Every API that knows no resource indicators takes the tokens for the issuer; the target's policy decides.
        own = {client_id, services.settings.issuer, *served}
        if self.subject.get("client_id") != client_id and not own & set(audience):
            raise InvalidRequestError("The subject_token was not issued to this client or its resource")

    def _check_actor(self) -> None:
        if self.actor is not None and self.actor.get("client_id") != self.client.client_id:
            raise InvalidRequestError("The actor_token was not issued to this client")
        may_act = self.subject.get("may_act")
        actor = {"sub": self.client.client_id} if self.actor is None else self.actor
        if isinstance(may_act, Mapping) and any(actor.get(name) != value for name, value in may_act.items()):
            # section 4.4: it names who may act for the subject
            raise InvalidRequestError("The subject_token names another actor in may_act")

    def _check_binding(self) -> None:
        """Let no bound token become a bearer token, and ask its holder for the proof (RFC 9449, RFC 8705)."""
        proven = self.request.token_request.confirmation
        bound = self.subject.get("cnf")
        is_holder = self.subject.get("client_id") == self.client.client_id
        if bound and (not proven or (is_holder and not bound.items() <= proven.items())):
            raise InvalidRequestError("The subject_token is bound to a key, which the request must prove")
        if self.actor is not None and not self.actor.get("cnf", {}).items() <= proven.items():
            raise InvalidRequestError("The actor_token is bound to a key, which the request must prove")

    def _aim(self) -> None:
        """Say what the new token is for: named by `resource` or `audience`, allowed by the resource's policy."""
        request: TokenRequest = self.request.token_request
        named = resources.requested(request.parameters, request.services)
        audiences = (uri for uri in request.parameters.lists.get("audience", ()) if uri)
        targets = tuple(dict.fromkeys((*named, *audiences)))
        kept = _audience(self.subject) if self.subject.get("client_id") == self.client.client_id else ()
        if not targets and not kept:
            raise InvalidTargetError("The resource is missing")
        for uri in targets:
            resource = request.services.resources.get(uri)
            is_allowed = resource is not None and self.client.client_id in resource.allow_exchange_from
            if not is_allowed and uri not in kept:
                raise InvalidTargetError("This client may not exchange the token for one to this resource")
        request.audience = targets or tuple(kept)
        request.excluded_scopes |= resources.foreign_scopes(request.services, request.audience)

    def _scopes(self) -> tuple[str, ...]:
        """Return the scopes: never beyond the subject token's, nor the client's own."""
        given = str(self.subject.get("scope", "")).split()
        possible = [name for name in given if name in self.client.scopes and name not in NOT_PASSED_ON]
        requested = self.request.parameters.get("scope")
        if requested is None:
            return tuple(possible)
        wanted = tuple(dict.fromkeys(requested.split(" ")))
        if len(requested) > MAX_SCOPE_CHARACTERS or not set(wanted) <= set(possible):
            raise InvalidScopeError("The scope goes beyond the subject_token or the client")
        resources.check_scopes(wanted, self.request.token_request.excluded_scopes)
        return wanted

    def _actors(self) -> dict[str, Any] | None:
        """Return the `act` claim: the actor, and inside it those who acted before (section 4.1)."""
        before = self._renamed(self.subject.get("act"))
        if self.actor is None:
            return before
        actor = {"sub": self.actor["sub"], "client_id": self.actor["client_id"]}
        chain = actor if before is None else {**actor, "act": before}
        if _length(chain) > MAX_ACTORS:
            raise InvalidRequestError("The chain of actors is too long")
        return chain

    def _renamed(self, chain: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return a chain of actors without the public ids of people, for a client with pairwise identifiers."""
        if chain is None:
            return None
        actor = {**chain, "sub": chain.get("sub")}
        if str(actor["sub"]).startswith(USER_ID_PREFIX):
            actor["sub"] = self.server.services.subject_of(self.client, actor["sub"])
        return actor if "act" not in chain else {**actor, "act": self._renamed(chain["act"])}

    def create_token_response(self) -> TokenResponse:
        """Mint the token. It hangs on the subject token's authorization, and ends with it."""
        request: TokenRequest = self.request.token_request
        actors = self._actors()
        ends = [int(token["exp"]) for token in (self.subject, self.actor) if token is not None]
        lifetime = min(lifetime_of(self.client, self.server), *(end - request.now for end in ends))
        request.members["issued_token_type"] = ACCESS_TOKEN
        added = {} if actors is None else {"act": actors}
        body = mint(request, replace(self._claims(request), added=added), {}, lifetime)
        record(
            self.server.db,
            Event.TOKEN_EXCHANGED,
            self.request.context,
            now=request.now,
            client_id=self.client.client_id,
            subject=self.subject["sub"],
            authorization_id=self.subject.get("gid"),
            subject_client_id=self.subject.get("client_id"),
            actor_subject=None if self.actor is None else self.actor["sub"],
            audience=" ".join(request.audience),
        )
        return 200, body, default_json_headers

    def _claims(self, request: TokenRequest) -> AccessTokenClaims:
        db, subject = self.server.db, self.subject
        authorization = authorizations.find_live(db, subject["gid"], request.now) if "gid" in subject else None
        user = None if authorization is None else users.find_by_id(db, authorization["user_id"])
        permitted = permitted_there(request, self.scopes)
        client, services = self.client, request.services
        return AccessTokenClaims(
            # about the same person, by the name under which the new token's client knows them
            subject=subject["sub"] if user is None else services.subject_of(client, user.id),
            client_id=self.client.client_id,
            audience=request.services.settings.issuer,
            scope=" ".join(self.scopes),
            authorization_id=subject.get("gid"),
            auth_time=subject.get("auth_time"),
            acr=subject.get("acr"),
            amr=tuple(subject.get("amr", ())),
            person={} if user is None else services.person_claims(db, user, permitted),
        )


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    audience = claims.get("aud") or ()
    return (audience,) if isinstance(audience, str) else tuple(audience)


def _length(chain: Mapping[str, Any] | None) -> int:
    return 0 if chain is None else 1 + _length(chain.get("act"))
