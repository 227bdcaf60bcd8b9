"""Security profiles: what a client with the policy `security_profile` may do at most, whatever else its metadata says.

Each is a value; who enforces a part of it reads that part here, so that no rule stands twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from clients.redirect_uris import LOOPBACK_HOSTS
from keys.jose import SIGNING_ALGORITHMS

MEMBER = "security_profile"
STRONG_METHODS = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})
ALGORITHM_MEMBERS = frozenset(
    {
        "token_endpoint_auth_signing_alg",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "introspection_signed_response_alg",
        "authorization_signed_response_alg",
        "request_object_signing_alg",
        "backchannel_authentication_request_signing_alg",
    }
)
CIBA = "urn:openid:params:grant-type:ciba"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True, slots=True)
class SecurityProfile:
    """The most that a client may do. The default is a client without one: nothing beyond the rules for everybody."""

    title: str = ""
    algorithms: tuple[str, ...] = SIGNING_ALGORITHMS
    """Of whatever JWT the client signs, or is signed for it."""
    methods: frozenset[str] | None = None
    """How it may authenticate; None: in any way."""
    response_types: frozenset[str] | None = None
    grant_types: frozenset[str] | None = None
    confirmations: frozenset[str] = frozenset()
    """Members of `cnf`, one of which its tokens must have; empty: they need not be bound."""
    has_https_redirects: bool = False
    has_loopback_redirects: bool = False
    """Whether `http` on the person's own machine will do as well."""
    must_push: bool = False
    must_sign_or_push: bool = False
    must_sign_answer: bool = False
    """Whether an answer needs to be signed: as an ID token beside the code, or by JARM."""
    must_use_pkce: bool = False
    must_name_redirect_uri: bool = False
    must_name_resource: bool = False
    is_audience_issuer: bool = False
    """Whether its assertions are for the issuer alone, instead of the issuer or the token endpoint."""
    rotates_refresh_tokens: bool = True
    binds_state: bool = False
    """Whether ID tokens of the front channel hold `s_hash`."""
    code_seconds: int | None = None
    request_object_seconds: int | None = None
    """From `nbf` to `exp` of a request object, both of which it needs then."""


NONE = SecurityProfile()

SECURITY_PROFILES: Mapping[str, SecurityProfile] = {
    "fapi2": SecurityProfile(
        title="FAPI 2.0 Security Profile",
        algorithms=("PS256", "ES256", "EdDSA"),  # section 5.4.1
        methods=STRONG_METHODS,
        response_types=frozenset({"code"}),
        grant_types=frozenset({"authorization_code", "refresh_token", "client_credentials", CIBA, TOKEN_EXCHANGE}),
        confirmations=frozenset({"jkt", "x5t#S256"}),
        has_https_redirects=True,
        must_push=True,
        must_use_pkce=True,
        must_name_redirect_uri=True,
        is_audience_issuer=True,
        rotates_refresh_tokens=False,
        code_seconds=60,
        request_object_seconds=3600,
    ),
    "fapi1-advanced": SecurityProfile(
        title="FAPI 1.0 Advanced",
        algorithms=("PS256", "ES256"),  # Part 2 section 8.6
        methods=STRONG_METHODS,
        response_types=frozenset({"code", "code id_token"}),
        grant_types=frozenset({"authorization_code", "implicit", "refresh_token", "client_credentials", CIBA}),
        confirmations=frozenset({"x5t#S256"}),
        has_https_redirects=True,
        must_sign_or_push=True,
        must_sign_answer=True,
        must_name_redirect_uri=True,
        binds_state=True,
        request_object_seconds=3600,
    ),
    "mcp": SecurityProfile(
        title="Model Context Protocol authorization",
        methods=frozenset({"none"}),
        response_types=frozenset({"code"}),
        grant_types=frozenset({"authorization_code", "refresh_token"}),
        has_https_redirects=True,
        has_loopback_redirects=True,
        must_use_pkce=True,
        must_name_resource=True,
    ),
}


def of(metadata: Mapping[str, Any]) -> SecurityProfile:
    """Return the security profile of a client with this metadata."""
    name = metadata.get(MEMBER)
    return NONE if name is None else SECURITY_PROFILES[name]


def is_permitted_redirect(uri: str, profile: SecurityProfile) -> bool:
    """Whether an answer may go there."""
    if not profile.has_https_redirects:
        return True
    parts = urlsplit(uri)
    is_loopback = profile.has_loopback_redirects and parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    return parts.scheme == "https" or is_loopback


def problem_of(valid: Mapping[str, Any]) -> str | None:
    """Return why a client with this metadata could never do anything under its security profile, None where it can."""
    profile = of(valid)
    if profile is NONE:
        return None
    method = valid["token_endpoint_auth_method"]
    if profile.methods is not None and method not in profile.methods:
        return f"token_endpoint_auth_method {method} is too weak for {profile.title}"
    for member, permitted in (("response_types", profile.response_types), ("grant_types", profile.grant_types)):
        if permitted is not None and not set(valid[member]) <= permitted:
            return f"{member} may hold only {', '.join(sorted(permitted))} with {profile.title}"
    for member in sorted(ALGORITHM_MEMBERS & valid.keys()):
        if valid[member] not in profile.algorithms:
            return f"{member} must be one of {', '.join(profile.algorithms)} with {profile.title}"
    if profile.must_use_pkce and valid.get("require_pkce") is False:
        return f"require_pkce cannot be false with {profile.title}"
    if not all(is_permitted_redirect(uri, profile) for uri in valid.get("redirect_uris", ())):
        return f"redirect_uris must be https{' or loopback' * profile.has_loopback_redirects} with {profile.title}"
    return _problem_of_binding(valid, profile)


def _problem_of_binding(valid: Mapping[str, Any], profile: SecurityProfile) -> str | None:
    declared = {"jkt": "dpop_bound_access_tokens", "x5t#S256": "tls_client_certificate_bound_access_tokens"}
    members = [declared[confirmation] for confirmation in sorted(profile.confirmations)]
    if members and not any(valid.get(member) for member in members):
        return f"{' or '.join(members)} must be true with {profile.title}"
    return None
