"""A validated authorization request: what an interaction stores, and all that approval may use.

Nothing a client controls is read again after this (RFC 9700 section 4.1): the consent page and the answer come from
this record.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from server.accounts.claims import implied_scopes


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
    has_redirect_uri: bool = True
    """Whether the request named the redirect URI, so that the token request must repeat it."""

    @property
    def consent_scopes(self) -> tuple[str, ...]:
        """What the person must agree to: the scopes, and those that cover the claims that are asked for by name."""
        return tuple(dict.fromkeys((*self.scopes, *sorted(implied_scopes(self.claims)))))

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
    values: dict[str, Any] = field(default_factory=dict)
