"""Mails in words: a text and an HTML version from `templates/mail/`, in the person's language."""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment

from server.languages import Language, Languages, given_names
from server.languages import Message as _
from server.languages.language import CATALOGUES
from server.languages.templates import DIRECTORY, environment_of
from server.mail.outbox import Mail
from server.mail.outgoing import MailError, Outgoing
from server.mail.transport import sender_of
from server.settings import Settings

MAX_NAME_LENGTH = 60
FOREIGN = frozenset({"name", "inviter", "device"})
"""Values that strangers choose, in mails to addresses that they may have typed in for somebody else."""
# What mail programs make links of: strangers must not be able to advertise through our mails.
_LINK_LIKE = re.compile(r"[/\\@]|:\S|\w\.\w{2,}")
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset(
    "\N{LEFT-TO-RIGHT EMBEDDING}\N{RIGHT-TO-LEFT EMBEDDING}\N{POP DIRECTIONAL FORMATTING}"
    "\N{LEFT-TO-RIGHT OVERRIDE}\N{RIGHT-TO-LEFT OVERRIDE}\N{LEFT-TO-RIGHT ISOLATE}\N{RIGHT-TO-LEFT ISOLATE}"
    "\N{FIRST STRONG ISOLATE}\N{POP DIRECTIONAL ISOLATE}"
)
_NOT_IN_ADDRESS = frozenset('"(),:;<>@[\\]')
UNNAMED = _("Second factor")
FACTORS = {
    "totp": _("Authenticator app"),
    "passkey": _("Passkey"),
    "email": _("Codes by e-mail"),
    "recovery_codes": _("Recovery codes"),
}
"""Kinds of second factors in words; any other text is shown as it is."""


class MailRenderer:
    """The mail templates of one server."""

    def __init__(
        self, settings: Settings, describe_device: Callable[[str], str] = str, directory: Path = DIRECTORY
    ) -> None:
        self._settings = settings
        self._describe_device = describe_device
        self._directory = directory
        self._sender = sender_of(settings)
        self._environments: dict[str, Environment] = {}

    @cached_property
    def _languages(self) -> Languages:
        return Languages(self._settings.languages, (self._settings.data_dir / "languages", CATALOGUES))

    def render(self, mail: Mail, *, mail_id: str, created_at: int) -> Outgoing:
        """Put a mail into words. Raises MailError where nobody can have such an address."""
        language = self._languages.choose([mail.language] if mail.language else [])
        environment = self._environment(language)
        values = {name: self._prepared(name, value) for name, value in mail.values.items()}
        subject, text = _split(environment.get_template(f"mail/{mail.template}.txt").render(values))
        html = environment.get_template(f"mail/{mail.template}.html").render({**values, "subject": subject})
        recipient = _recipient(mail.to)
        message = EmailMessage()
        message["From"] = Address(_one_line(self._sender.name), addr_spec=self._sender.address)
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = datetime.fromtimestamp(created_at, UTC)
        # the same at every try, so that mailboxes can recognise a mail that arrives twice
        message["Message-ID"] = f"<{mail_id}@{self._sender.address.rpartition('@')[2]}>"
        # RFC 3834 section 5: no out-of-office replies, please
        message["Auto-Submitted"] = "auto-generated"
        # quoted-printable: every server takes it, whatever the length of our links
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        message["Content-Language"] = language.tag  # last: set_content would take it away
        return Outgoing(mail_id, created_at, self._sender.address, recipient.addr_spec, message)

    def _prepared(self, name: str, value: str | int) -> Any:
        if not isinstance(value, str):
            return value
        text = _one_line(value)
        if name == "device" and "/" in text:  # a User-Agent, not a description yet
            text = self._describe_device(text)
        if name == "factor":
            return FACTORS.get(text) or given_names.in_words(_harmless(text)) or UNNAMED
        return _harmless(text) if name in FOREIGN else text

    def _environment(self, language: Language) -> Environment:
        if language.tag not in self._environments:
            self._environments[language.tag] = environment_of(
                language,
                self._directory,
                brand_name=_one_line(self._settings.brand_name),
                brand_color=self._settings.brand_color,
                support_url=self._settings.support_url,
                site=self._settings.origin.partition("://")[2],
                account_url=self._settings.url("/account"),
                moment=language.moment,
                say=language.say,
            )
        return self._environments[language.tag]


def _harmless(text: str) -> str:
    return "" if len(text) > MAX_NAME_LENGTH or _LINK_LIKE.search(text) else text


def _one_line(text: str) -> str:
    """Return a text without line breaks and what turns the direction of the rest: it may end in a header."""
    return " ".join("".join(" " if unicodedata.category(c) in _BREAKING or c in _TURNING else c for c in text).split())


def _split(rendered: str) -> tuple[str, str]:
    """Return subject and text: a text template starts with its subject on a line of its own."""
    subject, _newline, text = rendered.lstrip().partition("\n")
    return _one_line(subject), re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _recipient(address: str) -> Address:
    local, _at, domain = address.rpartition("@")
    # No list, no group, no second header: addresses were checked when they were stored, and are not trusted here.
    if not local or not domain or any(_is_unfit(character) for character in local + domain):
        raise MailError("the recipient's address is none", is_permanent=True)
    with suppress(UnicodeError):  # newer letters than IDNA 2003 knows: left to servers with SMTPUTF8
        domain = domain.encode("idna").decode("ascii")
    return Address(username=local, domain=domain)


def _is_unfit(character: str) -> bool:
    return character in _NOT_IN_ADDRESS or unicodedata.category(character)[0] in "CZ"
