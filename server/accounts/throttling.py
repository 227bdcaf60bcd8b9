"""Slowing down whoever guesses, without locking the owner out.

A guess is counted before it is checked and forgiven when it was right, so that guesses sent at once do not slip
through. What is counted, and what follows:

- an account, under one counter for all its spellings (an unknown account under what was typed): from the 5th failure
  in a row each try waits, 1 s and then twice as long each time, at most 900 s. From the 100th (the ceiling of
  NIST SP 800-63B-4 section 3.2.2) the counter is blocked for 24 h. A right password, or a new one, clears it;
- a browser that has signed in to the account before: the same rules on a counter of its own, so that nobody else's
  guesses can shut it out (`known_browser.py`). Neither the account's nor the address's counter holds it up;
- an address (of IPv6 its /64): 50 failures, then waits that double from 12 s to at most 900 s; one failure fades a
  minute. A right password takes back its own guess only, or an attacker's own account would clear the counter;
- second factors, client secrets per client and address, new accounts per address, mails that strangers can have sent
  (to a mailbox, from an address): as their policies below say.

Counters forget after 24 h without failures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

from sqlalchemy import Connection

from server.accounts import identifiers
from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import throttles
from server.tokens import opaque

DAY_SECONDS = 86_400
IPV6_NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Policy:
    """When a counter blocks, in failures, and for how long, in seconds."""

    free: int
    """From this failure on there is a delay."""
    first_delay: int
    longest_delay: int
    ceiling: int | None = None
    """From this failure on the delay is a day."""
    fade_seconds: int | None = None
    """One failure is forgotten in each such time; None: none is."""

    def delay(self, failures: int) -> int:
        """Return how long the next try must wait after so many failures."""
        if failures < self.free:
            return 0
        if self.ceiling is not None and failures >= self.ceiling:
            return DAY_SECONDS
        doublings = min(failures - self.free, 32)
        return min(self.first_delay << doublings, self.longest_delay)


class Kind(StrEnum):
    """What is counted."""

    ACCOUNT = "account"
    KNOWN_BROWSER = "known_browser"
    ADDRESS = "address"
    SECOND_FACTOR = "second_factor"
    CLIENT = "client"
    REGISTRATION = "registration"
    MAILBOX = "mailbox"
    EMAIL_CODE = "email_code"
    MAIL_SENDER = "mail_sender"
    USER_CODE = "user_code"
    USER_CODES = "user_codes"
    PROMPT = "prompt"
    PROMPT_MAIL = "prompt_mail"
    UNKNOWN_PERSON = "unknown_person"


_GUESSES = Policy(free=5, first_delay=1, longest_delay=900, ceiling=100)
POLICIES = {
    Kind.ACCOUNT: _GUESSES,
    Kind.KNOWN_BROWSER: _GUESSES,
    Kind.SECOND_FACTOR: _GUESSES,
    Kind.ADDRESS: Policy(free=50, first_delay=12, longest_delay=900, fade_seconds=60),
    Kind.CLIENT: Policy(free=20, first_delay=5, longest_delay=900, fade_seconds=60),
    Kind.REGISTRATION: Policy(free=20, first_delay=30, longest_delay=900, fade_seconds=60),
    Kind.MAILBOX: Policy(free=5, first_delay=60, longest_delay=900, fade_seconds=600),
    # Only who has the right password asks for codes: mails that strangers can have sent must not use these up.
    Kind.EMAIL_CODE: Policy(free=5, first_delay=60, longest_delay=900, fade_seconds=600),
    # RFC 8628 section 5.1: one in 25 billion is right. From one address, and from all of them together.
    Kind.USER_CODE: Policy(free=10, first_delay=15, longest_delay=900, fade_seconds=60),
    Kind.USER_CODES: Policy(free=600, first_delay=1, longest_delay=4, fade_seconds=1),
    # CIBA section 15: how often a client asks one person, has a mail sent to them, and asks for whom nobody knows.
    Kind.PROMPT: Policy(free=10, first_delay=30, longest_delay=900, fade_seconds=60),
    Kind.PROMPT_MAIL: Policy(free=5, first_delay=60, longest_delay=900, fade_seconds=600),
    Kind.UNKNOWN_PERSON: Policy(free=20, first_delay=30, longest_delay=900, fade_seconds=60),
    Kind.MAIL_SENDER: Policy(free=30, first_delay=30, longest_delay=900, fade_seconds=60),
}


@dataclass(frozen=True, slots=True)
class Throttled:
    """No guess is allowed now; the next one in `retry_after` seconds."""

    retry_after: int


@dataclass(frozen=True, slots=True)
class ThrottleKey:
    """One counter."""

    kind: Kind
    name: str

    @property
    def digest(self) -> str:
        """The counter's row: names are not stored."""
        return opaque.digest(f"throttle.{self.kind}", self.name)


def account_key(user_id: str | None, identifier: str) -> ThrottleKey:
    """Return the counter of an account, or of an identifier that nobody has."""
    if user_id is not None:
        return ThrottleKey(Kind.ACCOUNT, f"user:{user_id}")
    bounded = identifier[: identifiers.MAX_TYPED_LENGTH]
    return ThrottleKey(Kind.ACCOUNT, f"login:{identifiers.normalize_login(bounded) or bounded}")


def known_browser_key(user_id: str, browser_id: str) -> ThrottleKey:
    """Return the counter of one browser at one account."""
    return ThrottleKey(Kind.KNOWN_BROWSER, f"{user_id}:{browser_id}")


def second_factor_key(user_id: str, browser_id: str | None = None) -> ThrottleKey:
    """Return the counter of an account's second factors, one for all unknown browsers and one for each known."""
    return ThrottleKey(Kind.SECOND_FACTOR, f"{user_id}:{browser_id or ''}")


def address_key(address: str) -> ThrottleKey:
    """Return the counter of an address: one for a whole IPv6 /64, which one person can have to themselves."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ThrottleKey(Kind.ADDRESS, address)
    if not isinstance(parsed, IPv6Address):
        return ThrottleKey(Kind.ADDRESS, str(parsed))
    if parsed.ipv4_mapped is not None:
        return ThrottleKey(Kind.ADDRESS, str(parsed.ipv4_mapped))
    network = int(parsed) >> (128 - IPV6_NETWORK_BITS)
    return ThrottleKey(Kind.ADDRESS, f"{network:x}/{IPV6_NETWORK_BITS}")


def client_key(client_id: str, address: str) -> ThrottleKey:
    """Return the counter of a client at an address: a stranger elsewhere cannot lock the client out."""
    return ThrottleKey(Kind.CLIENT, f"{client_id}\0{address_key(address).name}")


def unknown_client_key(address: str) -> ThrottleKey:
    """Return the counter of made-up clients from an address: one row, however many names are tried."""
    return ThrottleKey(Kind.CLIENT, f"\0{address_key(address).name}")


def registration_key(address: str) -> ThrottleKey:
    """Return the counter of new accounts from an address: each counts, right or wrong."""
    return ThrottleKey(Kind.REGISTRATION, address_key(address).name)


def email_code_key(user_id: str) -> ThrottleKey:
    """Return the counter of codes that are mailed to an account."""
    return ThrottleKey(Kind.EMAIL_CODE, user_id)


def user_code_keys(address: str) -> list[ThrottleKey]:
    """Return the counters of device codes that are typed in: of the address, and of the whole server.

    The right code takes back its own guess only (`withdraw`): an attacker's own devices would clear the counters.
    """
    return [ThrottleKey(Kind.USER_CODE, address_key(address).name), ThrottleKey(Kind.USER_CODES, "")]


def check(db: Connection, keys: Sequence[ThrottleKey], now: int) -> Throttled | None:
    """Say whether any of the counters is blocked, and count nothing."""
    until = throttles.blocked_until(db, [key.digest for key in keys], now) if keys else None
    return None if until is None else Throttled(retry_after=until - now)


def reserve(
    db: Connection, keys: Sequence[ThrottleKey], now: int, *, on_block: Callable[[int], None] = lambda _seconds: None
) -> Throttled | None:
    """Count a guess that is about to be checked; Throttled where it must not be made now.

    While one counter is blocked, none counts: nobody can drive a counter up with guesses that are not looked at.
    Commit before the check, and tell `succeeded` if the guess was right. `on_block` is told for how long the guesses
    after this one are blocked: once a block, so that what it writes down cannot be multiplied by refused guesses.
    """
    throttled = check(db, keys, now)
    if throttled is not None:
        return throttled
    longest = 0
    for key in sorted(keys, key=lambda key: key.digest):  # in one order everywhere, or two guesses wait for each other
        policy, digest = POLICIES[key.kind], key.digest
        failures = throttles.count(db, digest, now=now, forget_seconds=DAY_SECONDS, fade_seconds=policy.fade_seconds)
        if failures is None:  # another guess has blocked it since we looked
            return check(db, keys, now) or Throttled(retry_after=1)
        delay = policy.delay(failures)
        if delay:
            throttles.block(db, digest, now + delay)
            longest = max(longest, delay)
    if longest:
        on_block(longest)
    return None


def succeeded(db: Connection, keys: Sequence[ThrottleKey]) -> None:
    """Forgive: the guess was right. An address only gets back the one guess."""
    for key in sorted(keys, key=lambda key: key.digest):
        if key.kind is Kind.ADDRESS:
            throttles.take_back(db, key.digest)
        else:
            throttles.remove(db, [key.digest])


def withdraw(db: Connection, keys: Sequence[ThrottleKey]) -> None:
    """Take back a guess that was counted and then not checked, because the server was too busy."""
    for key in sorted(keys, key=lambda key: key.digest):
        throttles.take_back(db, key.digest)


def forgive_password(db: Connection, user_id: str) -> None:
    """Clear what was counted against an account's password, after it was replaced.

    Not against its second factors: whoever reads the mailbox can replace the password again and again.
    """
    throttles.remove(db, [account_key(user_id, "").digest])


def forgive_account(db: Connection, user_id: str) -> None:
    """Clear all that was counted against an account, because an operator says so."""
    throttles.remove(db, [account_key(user_id, "").digest, second_factor_key(user_id).digest])


def unlock_account(db: Connection, user_id: str, *, context: Context, now: int) -> None:
    """Clear what was counted against an account, because an administrator says so.

    The counters of browsers in which the person signed in before stay: nobody but who sits there moves them.
    """
    forgive_account(db, user_id)
    record(db, Event.ACCOUNT_UNLOCKED, context, now=now, user_id=user_id)
