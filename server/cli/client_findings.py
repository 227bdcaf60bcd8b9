"""What `ostiary client lint` looks for: RFC 9700, OAuth 2.1, and the security profile that a client has.

Each rule looks at one client and yields what is weak there, with the section that says so and the command that mends.
"""

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from clients import security_profile
from clients.client import Client
from clients.metadata import InvalidClientMetadata, validate
from clients.redirect_uris import LOOPBACK_HOSTS
from clients.response_types import words_of
from keys.decoding import decode_base64url
from keys.jose import MIN_RSA_BITS
from server.cli import references, unserved
from server.settings import Settings
from server.storage.resources import Resource

DAY = 86_400
OLD_SECRET, UNUSED, LONG_REFRESH = 365 * DAY, 90 * DAY, 30 * DAY
LONG_ACCESS = 900
MANY_SCOPES, MANY_HOSTS = 15, 3
FORWARDING = frozenset(
    {"next", "url", "uri", "redirect", "return", "return_to", "returnurl", "continue", "goto", "dest"}
)
"""Names of query parameters by which pages send people on."""
PERSON_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


class Severity(StrEnum):
    """How bad it is. Only errors make the command fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness and its mend."""

    client_id: str
    """Empty for a setting of the server, and for a resource."""
    severity: Severity
    section: str
    problem: str
    mend: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a client is looked at with."""

    settings: Settings
    now: int
    is_used: bool = True
    """Whether a person has authorized it lately."""
    known: references.Known | None = None
    """What is defined here, None where nobody looked."""


Rule = Callable[[Client, Facts], Iterator[Finding]]


def _update(client: Client, **changes: Any) -> str:
    data = shlex.quote(json.dumps(changes, separators=(",", ":")))
    return f"echo {data} | ostiary client update {shlex.quote(client.client_id)} --metadata -"


def _without(client: Client, bad: str) -> str:
    left = [uri for uri in client.redirect_uris if uri != bad]
    name = shlex.quote(client.client_id)
    return _update(client, redirect_uris=left) if left else f"ostiary client disable {name}"


def check_valid(client: Client, _facts: Facts) -> Iterator[Finding]:
    """Find metadata that could not be registered today, by hand or from an older version; also against the profile."""
    try:
        validate(dict(client.metadata))
    except InvalidClientMetadata as error:
        section = client.security_profile.title or "RFC 7591 section 2"
        mend = f"ostiary client show {shlex.quote(client.client_id)} --json, then ostiary client update"
        yield Finding(client.client_id, Severity.ERROR, section, error.description, mend)


def check_profile(client: Client, facts: Facts) -> Iterator[Finding]:
    """Find a security profile that this server's keys cannot satisfy."""
    profile, active = client.security_profile, facts.settings.signing_algorithms
    if not set(active) & set(profile.algorithms):
        mend = f"set OSTIARY_SIGNING_ALGORITHMS to '{' '.join((*active, profile.algorithms[0]))}'"
        problem = f"no active signing algorithm is allowed by {profile.title}, so it is refused everything"
        yield Finding(client.client_id, Severity.ERROR, "FAPI 2.0 Security Profile section 5.4.1", problem, mend)


def check_response_types(client: Client, _facts: Facts) -> Iterator[Finding]:
    """Find tokens that travel through the browser."""
    words = frozenset(word for name in client.response_types for word in words_of(name))
    grants = [name for name in client.grant_types if name != "implicit"] or ["authorization_code"]
    mend = _update(client, response_types=["code"], grant_types=list(dict.fromkeys(["authorization_code", *grants])))
    if "token" in words:
        problem = "access tokens are sent through the browser, where they leak and cannot be bound"
        yield Finding(client.client_id, Severity.ERROR, "RFC 9700 section 2.1.2", problem, mend)
    elif "id_token" in words and client.metadata.get(security_profile.MEMBER) != "fapi1-advanced":
        problem = "ID tokens are sent through the browser; the code flow with PKCE needs none there"
        yield Finding(client.client_id, Severity.WARNING, "OAuth 2.1 section 10.1", problem, mend)


def check_pkce(client: Client, _facts: Facts) -> Iterator[Finding]:
    """Find an exemption from PKCE."""
    if client.require_pkce is False and not client.is_public and "authorization_code" in client.grant_types:
        problem = "it is excused from PKCE, so that a stolen code can be injected"
        yield Finding(
            client.client_id, Severity.ERROR, "RFC 9700 section 2.1.1", problem, _update(client, require_pkce=True)
        )


def check_redirect_uris(client: Client, _facts: Facts) -> Iterator[Finding]:
    """Find places where an answer could be read or sent on by others."""
    hosts = {urlsplit(uri).hostname for uri in client.redirect_uris}
    for uri in client.redirect_uris:
        parts = urlsplit(uri)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            problem = f"{uri} is not encrypted"
            yield Finding(client.client_id, Severity.ERROR, "RFC 9700 section 2.6", problem, _without(client, uri))
        elif parts.scheme == "http" and not client.is_public:
            problem = f"{uri} of a confidential client leads to the person's own machine: left over from development"
            yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.6", problem, _without(client, uri))
        elif parts.scheme == "http" and parts.hostname == "localhost":
            mend = _update(
                client, redirect_uris=[one.replace("//localhost", "//127.0.0.1") for one in client.redirect_uris]
            )
            problem = f"{uri} names localhost, which may lead elsewhere"
            yield Finding(client.client_id, Severity.NOTE, "RFC 8252 section 8.3", problem, mend)
        if FORWARDING & {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}:
            problem = f"{uri} looks like a page that sends people on"
            yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 4.11.1", problem, _without(client, uri))
        if "*" in parts.netloc + parts.path:
            problem = f"{uri} has a *, which is compared letter for letter: whoever wrote it wanted a pattern"
            yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 4.1.3", problem, _without(client, uri))
    if len(hosts) > MANY_HOSTS:
        problem = f"its answers may go to {len(hosts)} hosts: the weakest of them decides"
        mend = "register one client for each, with `ostiary client create`"
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 4.1.3", problem, mend)


def check_secrets(client: Client, facts: Facts) -> Iterator[Finding]:
    """Find secrets that are old, stay valid beside newer ones, or travel in a form."""
    name, method = shlex.quote(client.client_id), client.token_endpoint_auth_method
    live = [one for one in client.secrets if one.expires_at is None or one.expires_at > facts.now]
    rotate = f"ostiary client rotate-secret {name} --overlap 86400"
    if not method.startswith("client_secret_"):
        return
    newest = max((one.created_at for one in live), default=facts.now)
    if facts.now - newest > OLD_SECRET:
        problem = f"its secret is {(facts.now - newest) // DAY} days old"
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.5", problem, rotate)
    if len([one for one in live if one.expires_at is None or one.expires_at > facts.now + OLD_SECRET // 4]) > 1:
        problem = "an older secret stays valid for long beside the newest"
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.5", problem, rotate.replace("86400", "0"))
    if method == "client_secret_post":
        problem = "its secret travels in the form, where logs and debuggers see it"
        mend = _update(client, token_endpoint_auth_method="client_secret_basic")  # noqa: S106  a method's name
        yield Finding(client.client_id, Severity.WARNING, "RFC 6749 section 2.3.1", problem, mend)


def check_keys(client: Client, _facts: Facts) -> Iterator[Finding]:
    """Find keys that are too short. They cannot be registered any more, and could once."""
    for key in (client.metadata.get("jwks") or {}).get("keys", ()):
        try:
            bits = int.from_bytes(decode_base64url(key["n"])).bit_length() if key.get("kty") == "RSA" else MIN_RSA_BITS
        except (KeyError, ValueError):
            bits = 0
        if bits < MIN_RSA_BITS:
            problem = f"an RSA key has {bits} bits"
            mend = f"make one of {MIN_RSA_BITS} bits or an ES256 key, and put it into jwks by `ostiary client update`"
            yield Finding(client.client_id, Severity.ERROR, "RFC 7518 section 3.3", problem, mend)


def check_binding(client: Client, facts: Facts) -> Iterator[Finding]:
    """Find long-lived tokens that work for whoever finds them."""
    if client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens:
        return
    refresh = client.refresh_token_seconds or facts.settings.refresh_token_seconds
    if client.is_public and "refresh_token" in client.grant_types and refresh > LONG_REFRESH:
        problem = f"its refresh tokens live {refresh // DAY} days unused and are bound to no key"
        mend = _update(client, dpop_bound_access_tokens=True)
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.2.2", problem, mend)
    access = client.access_token_seconds or facts.settings.access_token_seconds
    if access > LONG_ACCESS:
        problem = f"its access tokens live {access} seconds and are bound to no key"
        mend = _update(client, access_token_seconds=LONG_ACCESS)
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.2.1", problem, mend)


def check_privileges(client: Client, facts: Facts) -> Iterator[Finding]:
    """Find more than a client needs."""
    name, own = shlex.quote(client.client_id), client.scopes - PERSON_SCOPES
    if len(own) > MANY_SCOPES:
        problem = f"it may ask for {len(own)} scopes"
        mend = f"ostiary client show {name}, then give `scope` the ones it needs by ostiary client update"
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.3", problem, mend)
    if "client_credentials" in client.grant_types and len(client.grant_types) == 1 and client.scopes & PERSON_SCOPES:
        problem = "it acts for itself and may ask for scopes about people"
        mend = _update(client, scope=" ".join(word for word in client.scope_order if word in own))
        yield Finding(client.client_id, Severity.WARNING, "RFC 9700 section 2.3", problem, mend)
    if client.may_introspect and {"authorization_code", "implicit"} & set(client.grant_types):
        problem = "it signs people in and may read every access token: those are two clients"
        mend = _update(client, may_introspect=False)
        yield Finding(client.client_id, Severity.WARNING, "RFC 7662 section 4", problem, mend)
    if "*" in client.jwt_bearer_subjects:
        problem = "its assertions may speak for anybody"
        mend = _update(client, jwt_bearer_subjects=["role:NAME"])
        yield Finding(client.client_id, Severity.WARNING, "RFC 7521 section 8.1", problem, mend)
    is_old = facts.now - client.created_at > UNUSED
    if "authorization_code" in client.grant_types and is_old and not facts.is_used:
        problem = f"nobody has authorized it for {UNUSED // DAY} days"
        yield Finding(
            client.client_id, Severity.NOTE, "RFC 9700 section 2.3", problem, f"ostiary client disable {name}"
        )


def check_consent(client: Client, _facts: Facts) -> Iterator[Finding]:
    """Find consent that is skipped for what anybody can imitate."""
    if not client.skip_consent:
        return
    mend = _update(client, skip_consent=None)
    is_native = client.metadata.get("application_type") == "native"
    if client.is_unverified or (client.is_public and is_native):
        problem = "consent is skipped for an application that anybody can pretend to be (people are asked nevertheless)"
        yield Finding(client.client_id, Severity.ERROR, "RFC 8252 section 8.6", problem, mend)
    elif client.is_public:
        problem = "consent is skipped for a public client: its redirect URI alone says who it is"
        yield Finding(client.client_id, Severity.NOTE, "RFC 6749 section 10.2", problem, mend)


def check_references(client: Client, facts: Facts) -> Iterator[Finding]:
    """Find names of what nobody defined: a slip of the pen, or still to be made."""
    if facts.known is not None:
        for missing in references.missing_of(client.metadata, facts.known):
            problem = f"it names the {missing.what} {missing.name}, which is not defined: {missing.consequence}"
            yield Finding(client.client_id, Severity.WARNING, missing.section, problem, missing.mend)


def check_served(client: Client, facts: Facts) -> Iterator[Finding]:
    """Find what the client is registered for and the settings have switched off."""
    for one in unserved.unserved_of(client.metadata, facts.settings):
        yield Finding(client.client_id, Severity.ERROR, one.section, one.problem, one.mend)


RULES: tuple[Rule, ...] = (
    check_valid,
    check_profile,
    check_response_types,
    check_pkce,
    check_redirect_uris,
    check_secrets,
    check_keys,
    check_binding,
    check_privileges,
    check_consent,
    check_references,
    check_served,
)


def findings_of(client: Client, facts: Facts) -> list[Finding]:
    """Return what is weak about a client; nothing for a disabled one, which can do nothing."""
    return [] if client.disabled else [finding for rule in RULES for finding in rule(client, facts)]


def findings_of_resource(resource: Resource, known: references.Known) -> list[Finding]:
    """Return what is weak about a resource: scopes that nobody defined."""
    return [
        Finding(
            "",
            Severity.WARNING,
            missing.section,
            f"the resource {resource.uri} names the scope {missing.name}, which is not defined: {missing.consequence}",
            missing.mend,
        )
        for missing in references.missing_scopes(resource.scopes, known)
    ]
