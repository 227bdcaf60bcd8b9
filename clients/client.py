"""A registered client under its RFC 7591 names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

from clients.certificate import thumbprints_of
from clients.encryption import encryption_of
from clients.redirect_uris import matches
from clients.sector import sector_of
from clients.security_profile import SecurityProfile, of
from keys.jose import VerificationKey, import_client_jwks
from keys.jwe import Encryption


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret's digest; `expires_at` ends an old one after a rotation."""

    id: str
    digest: str
    created_at: int
    expires_at: int | None = None
    sealed: str | None = field(default=None, repr=False)
    """The secret itself, sealed, where a method needs it back: `client_secret_jwt`."""


@dataclass(frozen=True)
class Client(ClientMixin):
    """One client. Metadata is validated before it is stored, so that reading it needs no doubt."""

    client_id: str
    metadata: Mapping[str, Any]
    secrets: tuple[ClientSecret, ...]
    disabled: bool
    created_at: int

    @property
    def client_name(self) -> str | None:
        """Name on the consent page."""
        return self._text("client_name")

    @property
    def client_uri(self) -> str | None:
        """The client's home page."""
        return self._text("client_uri")

    @property
    def initiate_login_uri(self) -> str | None:
        """Where the client begins a sign-in that others ask it for (OpenID Connect Core section 4)."""
        return self._text("initiate_login_uri")

    @property
    def logo_uri(self) -> str | None:
        """The client's logo."""
        return self._text("logo_uri")

    @cached_property
    def contacts(self) -> tuple[str, ...]:
        """How to reach those who are responsible for it."""
        return tuple(self.metadata.get("contacts", ()))

    @property
    def policy_uri(self) -> str | None:
        """The client's privacy policy."""
        return self._text("policy_uri")

    @property
    def tos_uri(self) -> str | None:
        """The client's terms of service."""
        return self._text("tos_uri")

    @cached_property
    def redirect_uris(self) -> tuple[str, ...]:
        """Where answers to authorization requests may go."""
        return tuple(self.metadata.get("redirect_uris", ()))

    @cached_property
    def post_logout_redirect_uris(self) -> tuple[str, ...]:
        """Where sign-out may return to."""
        return tuple(self.metadata.get("post_logout_redirect_uris", ()))

    @cached_property
    def grant_types(self) -> tuple[str, ...]:
        """The grant types it may use."""
        return tuple(self.metadata.get("grant_types", ("authorization_code",)))

    @cached_property
    def response_types(self) -> tuple[str, ...]:
        """The response types it may use."""
        return tuple(self.metadata.get("response_types", ("code",)))

    @cached_property
    def response_modes(self) -> tuple[str, ...] | None:
        """The response modes it may use, None for all."""
        modes = self.metadata.get("response_modes")
        return None if modes is None else tuple(modes)

    @cached_property
    def scope_order(self) -> tuple[str, ...]:
        """The scopes it may ask for, in the order of registration."""
        return tuple(str(self.metadata.get("scope", "")).split())

    @cached_property
    def scopes(self) -> frozenset[str]:
        """The scopes it may ask for."""
        return frozenset(self.scope_order)

    @property
    def token_endpoint_auth_method(self) -> str:
        """The one way in which it authenticates."""
        return str(self.metadata.get("token_endpoint_auth_method", "client_secret_basic"))

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret (RFC 6749 section 2.1)."""
        return self.token_endpoint_auth_method == "none"

    @cached_property
    def keys(self) -> tuple[VerificationKey, ...]:
        """Its public keys. Raises JoseError where the stored JWK Set is damaged."""
        return import_client_jwks(self.metadata["jwks"]) if self.metadata.get("jwks") else ()

    @property
    def jwks_uri(self) -> str | None:
        """Where its public keys are, instead of in `keys`."""
        return self._text("jwks_uri")

    @cached_property
    def certificates(self) -> tuple[str, ...]:
        """The thumbprints of the certificates among its keys (RFC 8705 section 2.2.2)."""
        return thumbprints_of(self.metadata["jwks"]) if self.metadata.get("jwks") else ()

    @property
    def dpop_bound_access_tokens(self) -> bool:
        """Whether each of its token requests needs a DPoP proof (RFC 9449 section 5.2)."""
        return bool(self.metadata.get("dpop_bound_access_tokens", False))

    @property
    def tls_client_certificate_bound_access_tokens(self) -> bool:
        """Whether its tokens are bound to the certificate it shows (RFC 8705 section 3.4)."""
        return bool(self.metadata.get("tls_client_certificate_bound_access_tokens", False))

    @property
    def userinfo_acr(self) -> str | None:
        """The strength of sign-in that a token needs at UserInfo (RFC 9470), None for any."""
        return self._text("userinfo_acr")

    @property
    def userinfo_max_age(self) -> int | None:
        """How old the sign-in behind a token may be at UserInfo, in seconds (RFC 9470); None for any age."""
        return self._number("userinfo_max_age")

    @property
    def id_token_signed_response_alg(self) -> str | None:
        """The algorithm of its ID tokens, None for the server's default."""
        return self._text("id_token_signed_response_alg")

    @property
    def require_pushed_authorization_requests(self) -> bool:
        """Whether its authorization requests must be pushed (RFC 9126 section 6)."""
        return bool(self.metadata.get("require_pushed_authorization_requests", False))

    @property
    def require_signed_request_object(self) -> bool:
        """Whether its authorization requests must be signed (RFC 9101 section 10.5)."""
        return bool(self.metadata.get("require_signed_request_object", False))

    @property
    def request_object_signing_alg(self) -> str | None:
        """The one algorithm of its request objects, None for any that is served."""
        return self._text("request_object_signing_alg")

    @cached_property
    def request_uris(self) -> tuple[str, ...]:
        """Where its request objects may be fetched (OpenID Connect Core section 6.2)."""
        return tuple(self.metadata.get("request_uris", ()))

    @property
    def authorization_signed_response_alg(self) -> str | None:
        """The algorithm of its signed authorization responses, None for the server's default."""
        return self._text("authorization_signed_response_alg")

    @property
    def userinfo_signed_response_alg(self) -> str | None:
        """The algorithm of its UserInfo answers, None for plain JSON (OpenID Connect Core section 5.3.2)."""
        return self._text("userinfo_signed_response_alg")

    @property
    def introspection_signed_response_alg(self) -> str | None:
        """The algorithm of its signed introspection answers (RFC 9701 section 6), None for the server's default."""
        return self._text("introspection_signed_response_alg")

    def encryption_of(self, answer: str) -> Encryption | None:
        """Return how one of `clients.encryption.ANSWERS` is encrypted for it, None where it is not."""
        return encryption_of(self.metadata, answer)

    @property
    def default_max_age(self) -> int | None:
        """How old a sign-in may be when a request does not say, in seconds."""
        return self._number("default_max_age")

    @property
    def require_auth_time(self) -> bool:
        """Whether it relies on `auth_time` in its ID tokens (which hold it in any case)."""
        return bool(self.metadata.get("require_auth_time", False))

    @cached_property
    def default_acr_values(self) -> tuple[str, ...]:
        """The strength of sign-in it wants when a request does not say."""
        return tuple(self.metadata.get("default_acr_values", ()))

    @property
    def require_pkce(self) -> bool | None:
        """Whether it must use PKCE, None for the server's policy."""
        value = self.metadata.get("require_pkce")
        return None if value is None else bool(value)

    @cached_property
    def security_profile(self) -> SecurityProfile:
        """What it may do at most: an operator's policy, such as FAPI 2.0."""
        return of(self.metadata)

    @property
    def require_mfa(self) -> bool:
        """Whether people need a second factor to sign in to it, whatever the server's policy says."""
        return bool(self.metadata.get("require_mfa", False))

    @property
    def skip_consent(self) -> bool:
        """Whether it is first-party, so that people are not asked."""
        return bool(self.metadata.get("skip_consent", False))

    @property
    def is_unverified(self) -> bool:
        """Whether it registered itself and no operator vouches for it, so that people are always asked and told."""
        return bool(self.metadata.get("unverified", False))

    @property
    def backchannel_token_delivery_mode(self) -> str | None:
        """How it learns that the person has decided (CIBA section 5): `poll` or `ping`."""
        return self._text("backchannel_token_delivery_mode")

    @property
    def backchannel_client_notification_endpoint(self) -> str | None:
        """Where it is told that the person has decided (CIBA section 10.2)."""
        return self._text("backchannel_client_notification_endpoint")

    @property
    def backchannel_authentication_request_signing_alg(self) -> str | None:
        """The algorithm with which it signs each of its authentication requests (CIBA section 7.1.1), None for none."""
        return self._text("backchannel_authentication_request_signing_alg")

    @property
    def may_introspect(self) -> bool:
        """Whether it is a resource server that may introspect every access token of this server."""
        return bool(self.metadata.get("may_introspect", False))

    @cached_property
    def authorization_details_types(self) -> frozenset[str]:
        """The types of `authorization_details` that it may use (RFC 9396 section 10)."""
        return frozenset(self.metadata.get("authorization_details_types", ()))

    @cached_property
    def jwt_bearer_subjects(self) -> frozenset[str]:
        """Whom its assertions may speak for (RFC 7523 section 2.1): `*`, `user:ID`, `role:NAME`."""
        return frozenset(self.metadata.get("jwt_bearer_subjects", ()))

    @cached_property
    def jwt_bearer_issuers(self) -> tuple[str, ...]:
        """Ids of the clients whose assertions it may present, beside its own."""
        return tuple(self.metadata.get("jwt_bearer_issuers", ()))

    @cached_property
    def resources(self) -> tuple[str, ...] | None:
        """The resources it may have tokens for (RFC 8707), None where its scopes and the person decide."""
        uris = self.metadata.get("resources")
        return None if uris is None else tuple(uris)

    @cached_property
    def sector(self) -> str | None:
        """The sector whose pairwise identifiers it has (OpenID Connect Core section 8.1), None for the public ones."""
        return sector_of(self.client_id, self.metadata)

    @property
    def has_opaque_access_tokens(self) -> bool:
        """Whether its access tokens say nothing to whoever holds them: `access_token_format`."""
        return self.metadata.get("access_token_format") == "opaque"

    @property
    def access_token_seconds(self) -> int | None:
        """Life of its access tokens, None for the server's setting."""
        return self._number("access_token_seconds")

    @property
    def refresh_token_seconds(self) -> int | None:
        """Idle life of its refresh tokens, None for the server's setting."""
        return self._number("refresh_token_seconds")

    def _text(self, name: str) -> str | None:
        value = self.metadata.get(name)
        return None if value is None else str(value)

    def _number(self, name: str) -> int | None:
        value = self.metadata.get(name)
        return None if value is None else int(value)

    # Authlib's ClientMixin

    def get_client_id(self) -> str:
        """Return the client_id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """Return the redirect URI of a request that names none, where exactly one is registered."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str) -> str | None:
        """Return the scope if all of it is allowed; None otherwise, never a part of it."""
        return scope if self.scopes.issuperset(scope.split()) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether a redirect URI is registered."""
        return matches(self.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:  # noqa: ARG002  Authlib's signature
        """Refuse: secrets are checked by `clients.authentication`, which knows the time."""
        return False

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  the same everywhere
        """Whether a method is the registered one."""
        return method == self.token_endpoint_auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Whether a response type is registered."""
        return response_type in self.response_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether a grant type is registered."""
        return grant_type in self.grant_types
