"""Client metadata as an operator gives it: read, spelled right, and refused with words that fit the command line."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from clients import profiles
from clients.client import Client
from clients.metadata import MEMBERS, InvalidClientMetadata, is_member
from server.cli.running import read_json_object, refuse

PROFILE_MEMBER = "profile"
MAX_NAMED = 5
MAX_CHOICES = 2
OPTIONS = {
    "redirect_uris": "--redirect-uri",
    "post_logout_redirect_uris": "--post-logout-redirect-uri",
    "client_name": "--name",
    "scope": "--scope",
    "skip_consent": "--skip-consent",
}
"""Options of `ostiary client create` that say the same as a member."""
MADE_HERE = {
    "client_id": "--client-id chooses it",
    "client_secret": "the server makes it",
    "client_secret_expires_at": "the server makes it",
    "client_id_issued_at": "the server makes it",
    "registration_access_token": "the server makes it",
    "registration_client_uri": "the server makes it",
    "secrets": "the server makes it",
    "status": "`ostiary client disable` and `enable` change it",
    "software_statement": "it is not supported",
    PROFILE_MEMBER: "it is for `ostiary client create`",
}
"""What stands beside metadata in answers and in other servers, and why it cannot stand in the file."""
SHOWN = frozenset({"client_id", "client_id_issued_at", "status", "secrets"})
_NEEDS = re.compile(r"\bneeds?\b|\bare needed\b")
_WORD = re.compile(r"[a-z_]+")


def read(path: Path | None) -> dict[str, Any]:
    """Return the members of a file; none without one. Refuses what cannot be read."""
    return {} if path is None else read_json_object("--metadata", path)


def check_spelling(given: Mapping[str, Any]) -> None:
    """Refuse members that are none.

    A server leaves out what it does not know of a request (RFC 7591 section 2). An operator who misspells a policy
    would believe that it holds.
    """
    unknown = [name for name in given if not is_member(name)]
    if unknown:
        more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
        named = ", ".join(map(_advice, unknown[:MAX_NAMED]))
        refuse(f"--metadata has members that are no client metadata: {named}{more}")


def _advice(name: str) -> str:
    shown = name if name.isprintable() and name else ascii(name)
    if name in MADE_HERE:
        return f"{shown} ({MADE_HERE[name]})"
    base, hash_sign, language = name.partition("#")
    near = get_close_matches(base.lower().replace("-", "_"), MEMBERS, n=1)
    if not near:
        return shown
    tagged = f"{near[0]}{hash_sign}{language}"
    return f"{shown} (did you mean {tagged if is_member(tagged) else near[0]}?)"


def without_shown(given: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return members without those that `ostiary client show` prints beside the metadata, where they say the same."""
    return {name: value for name, value in given.items() if name not in shown or shown[name] != value}


def shown_of(client: Client) -> dict[str, Any]:
    """Return what `ostiary client show` prints beside the metadata."""
    return {
        "client_id": client.client_id,
        "client_id_issued_at": client.created_at,
        "status": "disabled" if client.disabled else "active",
        "secrets": [{"created_at": s.created_at, "expires_at": s.expires_at} for s in client.secrets],
    }


def take_profile(given: dict[str, Any], profile: str | None) -> str | None:
    """Take the profile out of the metadata, which may name it, and return it or that of the option."""
    named = given.pop(PROFILE_MEMBER, None)
    if named is not None and not isinstance(named, str):
        refuse(f"profile must be one of {', '.join(profiles.PROFILES)}")
    if None not in (named, profile) and named != profile:
        refuse(f"--profile {profile} contradicts the profile {named} in --metadata: give one of them")
    return profile or named


def refuse_metadata(error: InvalidClientMetadata, *, options: Mapping[str, str]) -> NoReturn:
    """Refuse metadata, with the option or the place where what is wrong or missing is given."""
    refuse(f"{error.error}: {error.description}{_place(error, options)}")


def _place(error: InvalidClientMetadata, options: Mapping[str, str]) -> str:
    if error.description.startswith("a redirect URI") and "redirect_uris" in options:
        return f" ({options['redirect_uris']})"
    needs = _NEEDS.search(error.description)
    if needs is None:
        return ""
    before, after = error.description[: needs.start()], error.description[needs.end() :]
    where = before if needs[0] == "are needed" else after
    missing = [word for word in _WORD.findall(where) if word in MEMBERS]
    if not missing:
        return ""
    if missing[0] in options:
        return f" ({options[missing[0]]})"
    return f": put {' or '.join(missing) if len(missing) <= MAX_CHOICES else 'one of them'} in --metadata"
