"""A registered client under its RFC 7591 names."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

from clients.redirect_uris import matches
from keys.jose import VerificationKey, import_client_jwks


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret's digest; `expires_at` ends an old one after a rotation."""

    id: str
    digest: str
    created_at: int
    expires_at: int | None = None


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
    def id_token_signed_response_alg(self) -> str | None:
        """The algorithm of its ID tokens, None for the server's default."""
        return self._text("id_token_signed_response_alg")

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

    @property
    def require_mfa(self) -> bool:
        """Whether people need a second factor to sign in to it, whatever the server's policy says."""
        return bool(self.metadata.get("require_mfa", False))

    @property
    def skip_consent(self) -> bool:
        """Whether it is first-party, so that people are not asked."""
        return bool(self.metadata.get("skip_consent", False))

    @property
    def may_introspect(self) -> bool:
        """Whether it is a resource server that may introspect every access token of this server."""
        return bool(self.metadata.get("may_introspect", False))

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
