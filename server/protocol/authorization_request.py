"""A validated authorization request: what an interaction stores, and all that approval may use.

Nothing a client controls is read again after this (RFC 9700 section 4.1): the consent page and the answer come from
this record.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from server.accounts.claims import implied_scopes

DEVICE_MODE = "device"
"""The answer is a page of ours: what asks is a device elsewhere (RFC 8628). No request can ask for this mode."""
BACKCHANNEL_MODE = "backchannel"
"""The answer is a page of ours: what asks is a client elsewhere (CIBA). No request can ask for this mode either."""
RESOURCE_CONSENT = "resource:"
"""What a person agreed to is remembered by name: scopes, and resources (RFC 8707) behind this."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """RFC 6749 section 4.1.1 and OpenID Connect Core section 3.1.2.1, after all checks."""

    client_id: str
    redirect_uri: str
    response_type: str
    response_mode: str
    scopes: tuple[str, ...]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    ui_locales: tuple[str, ...] = ()
    display: str | None = None
    acr_values: tuple[str, ...] = ()
    is_acr_essential: bool = False
    expected_subjects: tuple[str, ...] | None = None
    """Whom the answer must be about, by `id_token_hint` or the `claims` parameter; None: anybody."""
    claims: dict[str, Any] = field(default_factory=dict)
    """The `claims` parameter: `userinfo` and `id_token` members (OpenID Connect Core section 5.5)."""
    details: dict[str, Any] = field(default_factory=dict)
    """What extensions keep with the authorization, by their own names."""
    has_redirect_uri: bool = True
    """Whether the request named the redirect URI, so that the token request must repeat it."""
    device: str | None = None
    """The user code of the device that asks, which the person compares (RFC 8628 section 3.3.1)."""
    backchannel: str | None = None
    """Id of the backchannel authentication request that the person decides about (CIBA section 8)."""
    pushed_request: str | None = None
    """Digest of the `request_uri` of a pushed request, which is used up by the answer (RFC 9126 section 4)."""

    @property
    def consent_scopes(self) -> tuple[str, ...]:
        """What the person must agree to: the scopes, those that cover the claims asked for by name, the resources."""
        resources = (RESOURCE_CONSENT + uri for uri in self.details.get("resources", ()))
        return tuple(dict.fromkeys((*self.scopes, *sorted(implied_scopes(self.claims)), *resources)))

    @property
    def is_openid(self) -> bool:
        """Whether this is an OpenID Connect authentication request."""
        return "openid" in self.scopes

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON."""
        return {**asdict(self), "prompt": sorted(self.prompt)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the record that `to_json` made."""
        lists: dict[str, Any] = {name: tuple(stored[name]) for name in ("scopes", "ui_locales", "acr_values")}
        expected = stored["expected_subjects"]
        lists["expected_subjects"] = None if expected is None else tuple(expected)
        return cls(**{**stored, **lists, "prompt": frozenset(stored["prompt"])})


@dataclass(slots=True)
class Draft:
    """An authorization request while its checks run: they fill in what they have proven."""

    redirect_uri: str | None = None
    """Set once client and redirect URI are proven; from then on errors go to the client."""
    response_mode: str = "query"
    is_pushed: bool = False
    """Whether the parameters came from the client itself, authenticated (RFC 9126)."""
    is_signed: bool = False
    """Whether the parameters came in a request object that the client signed (RFC 9101)."""
    values: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    """What extensions keep with the authorization; only plain JSON."""
