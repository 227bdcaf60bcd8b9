"""The way around the account's pages, and what they say after something was done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.languages import Message
from server.languages import Message as _
from server.protocol.backchannel_prompts import PAGE

OVERVIEW, PROFILE, SECURITY = "/account", "/account/profile", "/account/security"
SESSIONS, APPLICATIONS, LOG, DATA = "/account/sessions", "/account/applications", "/account/log", "/account/data"
REQUESTS = PAGE
EMAIL, PASSWORD, DELETE = "/account/email", "/account/password", "/account/delete"
_LINKS: tuple[tuple[str, Message], ...] = (
    (OVERVIEW, _("Overview")),
    (PROFILE, _("Profile")),
    (SECURITY, _("Security")),
    (SESSIONS, _("Sign-ins")),
    (APPLICATIONS, _("Applications")),
    (LOG, _("Activity")),
    (DATA, _("Your data")),
)
_REQUESTS_LABEL = _("Requests")
"""In the navigation for those who are there or are asked something, and for nobody else: most people never are."""
_PARENTS = {EMAIL: PROFILE, PASSWORD: SECURITY, DELETE: DATA}
_NOTICES: Mapping[str, Message] = {
    "again": _("You have signed in again. Now you can do what you wanted to do."),
    "saved": _("Your changes are saved."),
    "email": _("If nobody else uses that address, we have sent a link to it. Open the link to finish the change."),
    "password": _("Your password is changed. Everywhere else you are signed out."),
    "session": _("That sign-in has ended."),
    "sessions": _("You are signed out everywhere else."),
    "application": _("The application no longer has access to your account."),
    "factor-added": _("From now on you can confirm a sign-in with it."),
    "factor-removed": _("It no longer works for signing in."),
    "renamed": _("It has its new name."),
    "approved": _("Approved. The application goes on where it asked."),
    "denied": _("Denied. The application gets nothing."),
    "over": _("That request was answered already, or it is too old. Nothing was approved now."),
    "browsers": _("Every browser asks for the second step again."),
}


@dataclass(frozen=True, slots=True)
class Link:
    """One place in the navigation."""

    url: str
    label: Message
    is_current: bool
    count: int = 0
    """How much waits there for the person."""


def links_of(url: Callable[[str], str], path: str, pending_requests: int) -> list[Link]:
    """Return the navigation, with the place marked to which a page belongs."""
    here = _PARENTS.get(path, path)
    links = [Link(url(target), label, target == here) for target, label in _LINKS]
    if pending_requests or here == REQUESTS:
        links.insert(1, Link(url(REQUESTS), _REQUESTS_LABEL, here == REQUESTS, pending_requests))
    return links


def notice_of(name: str) -> Message | None:
    """Return the sentence about what was done; nothing for a name that no page uses."""
    return _NOTICES.get(name)
