"""All spellings of one account: how e-mail addresses and usernames are compared.

Two spellings that differ in case, in composed or decomposed letters, or in Unicode and Punycode domains name one
account. Mail must go to the address that is stored, never to the spelling that somebody typed: two addresses that we
take for one (`straße@`, `strasse@`) may be two mailboxes.
"""

import re
import unicodedata
from contextlib import suppress

from server.languages import Message
from server.languages import Message as _

MAX_EMAIL_LENGTH = 320
MAX_LOCAL_LENGTH = 64
MAX_DOMAIN_LENGTH = 253
MAX_LABEL_LENGTH = 63
MIN_USERNAME_LENGTH = 3
MAX_USERNAME_LENGTH = 64
MAX_TYPED_LENGTH = 1024
"""More than this is not looked at: nothing that can be valid is longer, however it is composed."""
USER_ID_PREFIX = "usr_"
_ASCII_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
_NOT_IN_LOCAL_PART = frozenset('"(),:;<>@[\\]')
_USERNAME_MARKS = frozenset("._-")


class InvalidIdentifierError(ValueError):
    """The text cannot be an e-mail address or username; the message says why, for people."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


def fold(text: str) -> str:
    """Return the text without differences of case and composition (Unicode 3.13, canonical caseless matching)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def is_storable(text: str) -> bool:
    """Whether a database takes the text: no NUL, no lone surrogates."""
    return not any(character == "\0" or unicodedata.category(character) == "Cs" for character in text)


def _is_visible(text: str) -> bool:
    # no control, format, surrogate, private or unassigned characters, and no spaces
    return not any(unicodedata.category(character)[0] in "CZ" for character in text)


def _trimmed(text: str) -> str:
    if len(text) > MAX_TYPED_LENGTH:
        raise InvalidIdentifierError(_("This is too long."))
    return unicodedata.normalize("NFC", text.strip())


def clean_email(email: str) -> str:
    """Return the address as it is stored for display and for sending mail. Raises InvalidIdentifierError."""
    normalize_email(email)
    return _trimmed(email)


def normalize_email(email: str) -> str:
    """Return the spelling by which addresses are compared. Raises InvalidIdentifierError."""
    folded = fold(_trimmed(email))
    local, at, domain = folded.rpartition("@")
    if not at or not local or not domain:
        raise InvalidIdentifierError(_("An e-mail address looks like name@example.com."))
    if not _is_visible(folded) or _NOT_IN_LOCAL_PART.intersection(local):
        raise InvalidIdentifierError(_("This e-mail address has a character that cannot be in one."))
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise InvalidIdentifierError(_("This e-mail address has a dot where none can be."))
    normalized = f"{local}@{_normalize_domain(domain)}"
    if len(local.encode()) > MAX_LOCAL_LENGTH or len(normalized) > MAX_EMAIL_LENGTH:
        raise InvalidIdentifierError(_("This e-mail address is too long."))
    return normalized


def _normalize_domain(domain: str) -> str:
    if len(domain) > MAX_DOMAIN_LENGTH:
        raise InvalidIdentifierError(_("This e-mail address is too long."))
    with suppress(UnicodeError):  # newer letters than IDNA 2003 knows stay as they are
        domain = domain.encode("idna").decode("ascii").lower()
    for label in domain.split("."):
        is_fine = _ASCII_LABEL.fullmatch(label) if label.isascii() else _is_label_of_letters(label)
        if not is_fine or len(label) > MAX_LABEL_LENGTH:
            raise InvalidIdentifierError(_("The part after the @ of this e-mail address is not a domain."))
    return domain


def _is_label_of_letters(label: str) -> bool:
    return all(character == "-" or unicodedata.category(character)[0] in "LMN" for character in label)


def clean_username(username: str) -> str:
    """Return the username as it is stored for display. Raises InvalidIdentifierError."""
    normalize_username(username)
    return _trimmed(username)


def normalize_username(username: str) -> str:
    """Return the spelling by which usernames are compared. Raises InvalidIdentifierError."""
    folded = fold(_trimmed(username))
    if not MIN_USERNAME_LENGTH <= len(folded) <= MAX_USERNAME_LENGTH:
        raise InvalidIdentifierError(
            _.plural(
                "A username has %(least)s to %(n)s letter or digit.",
                "A username has %(least)s to %(n)s letters and digits.",
                n=MAX_USERNAME_LENGTH,
                least=MIN_USERNAME_LENGTH,
            )
        )
    if not all(_is_username_character(character) for character in folded):
        raise InvalidIdentifierError(_("A username has only letters, digits, dots, hyphens and underscores."))
    if folded.startswith(USER_ID_PREFIX):
        # operators name people by e-mail address, username or id: no name may pass for an id
        raise InvalidIdentifierError(_("A username cannot start with %(prefix)s.", prefix=USER_ID_PREFIX))
    return folded


def _is_username_character(character: str) -> bool:
    return character in _USERNAME_MARKS or unicodedata.category(character)[0] in "LM" or character.isdecimal()


def normalize_login(identifier: str) -> str | None:
    """Return the spelling by which the account is looked up, None where nobody can have such an identifier."""
    try:
        return normalize_email(identifier) if "@" in identifier else normalize_username(identifier)
    except InvalidIdentifierError:
        return None
