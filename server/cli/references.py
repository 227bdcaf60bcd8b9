"""What clients and resources name that nobody defined: scopes, types of `authorization_details`, resources, people.

The order in which an operator makes them is free, so that nothing is refused for it; but it may be a slip of the pen.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from server.accounts import roles, user
from server.extensions import EXTENSIONS
from server.settings import Settings
from server.storage import authorization_detail_types, clients, resources, scopes


@dataclass(frozen=True, slots=True)
class Known:
    """The names of what is defined here."""

    scopes: frozenset[str]
    detail_types: frozenset[str]
    resources: frozenset[str]
    roles: frozenset[str]
    is_person: Callable[[str], bool]
    """Whether there is a person with this id, while the database is open."""
    is_client: Callable[[str], bool]
    """Whether there is a client with this id, while the database is open."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that stands for nothing, what it would stand for, what happens, and the command that mends it."""

    what: str
    name: str
    section: str
    consequence: str
    mend: str


def known(db: Connection, settings: Settings) -> Known:
    """Read what is defined."""
    built_in = {name for extension in EXTENSIONS for name in extension.scopes}
    return Known(
        frozenset(built_in | scopes.list_scopes(db).keys()),
        frozenset(authorization_detail_types.list_types(db)),
        frozenset({settings.issuer, *resources.list_resources(db)}),
        frozenset(role.name for role in roles.list_all(db, settings.default_role)),
        lambda user_id: user.find(db, user_id) is not None,
        lambda client_id: clients.find_client(db, client_id) is not None,
    )


def missing_scopes(names: Iterable[str], defined: Known) -> Iterator[Missing]:
    """Find scopes that are not defined."""
    for name in names:
        if name not in defined.scopes:
            mend = f"ostiary scope create {shlex.quote(name)} --description 'What it allows'"
            yield Missing("scope", name, "RFC 6749 section 3.3", "it has no words for the consent page", mend)


def missing_of(metadata: Mapping[str, Any], defined: Known) -> Iterator[Missing]:
    """Find what a client's metadata names and nobody defined."""
    yield from missing_scopes(str(metadata.get("scope", "")).split(), defined)
    for name in metadata.get("authorization_details_types", ()):
        if name not in defined.detail_types:
            mend = f"ostiary detail create {shlex.quote(name)} --schema FILE"
            what = "type of authorization_details"
            yield Missing(what, name, "RFC 9396 section 10", "requests with it are refused", mend)
    for uri in metadata.get("resources", ()):
        if uri not in defined.resources:
            mend = f"ostiary resource create {shlex.quote(uri)}"
            yield Missing("resource", uri, "RFC 8707 section 2", "requests for it are refused", mend)
    yield from _missing_of_assertions(metadata, defined)


def _missing_of_assertions(metadata: Mapping[str, Any], defined: Known) -> Iterator[Missing]:
    """Find whom a client's assertions may speak for, and whose it may present, where there is nobody."""
    section, consequence = "RFC 7523 section 2.1", "assertions about them are refused"
    for subject in metadata.get("jwt_bearer_subjects", ()):
        kind, _, name = subject.partition(":")
        if kind == "user" and not defined.is_person(name):
            mend = f"ostiary user show {shlex.quote(name)}" if "@" in name else "ostiary user list"
            yield Missing("person with the id", name, section, consequence, mend)
        if kind == "role" and name not in defined.roles:
            yield Missing("role", name, section, consequence, f"ostiary role create {shlex.quote(name)}")
    for issuer in metadata.get("jwt_bearer_issuers", ()):
        if not defined.is_client(issuer):
            mend = f"ostiary client create --client-id {shlex.quote(issuer)} --metadata FILE"
            yield Missing("client", issuer, section, "assertions of it are refused", mend)


def warnings_of(metadata: Mapping[str, Any], defined: Known) -> list[str]:
    """Return what to tell whoever just registered this client."""
    return [warning(missing) for missing in missing_of(metadata, defined)]


def warning(missing: Missing) -> str:
    """Return one line about what is missing. A scope is defined with its first use, by name alone."""
    if missing.what == "scope":
        return f"the scope {missing.name} is new here, and {missing.consequence}: {missing.mend}"
    return f"there is no {missing.what} {missing.name} yet, and {missing.consequence} until there is: {missing.mend}"
