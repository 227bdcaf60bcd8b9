"""Recovery codes: a second factor on paper. Shown once, stored as digests, each good once.

130 random bits each, so a plain digest and one conditional UPDATE suffice (NIST SP 800-63B-4 section 3.1.2.1).
"""

import secrets
import textwrap

from sqlalchemy import Connection

from server.events.audit import record
from server.events.context import Context
from server.events.names import Event
from server.storage import recovery_codes
from server.tokens import opaque

KIND = "recovery_code"
COUNT = 10
LENGTH = 26
GROUP = 4
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
"""Base32 (RFC 4648 section 6) in lower case: no digit that looks like a letter."""


def generate(db: Connection, user_id: str, now: int, count: int = COUNT) -> list[str]:
    """Make a new set of codes, grouped for reading; the codes of any set before are dead."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(count)]
    recovery_codes.replace_all(db, user_id, [opaque.digest(KIND, code) for code in codes], now)
    return ["-".join(textwrap.wrap(code, GROUP)) for code in codes]


def regenerate(db: Connection, user_id: str, *, context: Context, now: int) -> list[str]:
    """Make a new set as `generate` does, and record it. Call `second_factor.check_fresh` before."""
    codes = generate(db, user_id, now)
    record(db, Event.RECOVERY_CODES_GENERATED, context, now=now, user_id=user_id, codes=len(codes))
    return codes


def make_if_none(db: Connection, user_id: str, *, context: Context, now: int) -> list[str]:
    """Make a set for a person who has just got a factor; empty where they have codes that can still be used."""
    return [] if left(db, user_id) else regenerate(db, user_id, context=context, now=now)


def normalize(code: str) -> str | None:
    """Return the code behind what somebody typed, in any case and grouping; None where it is none."""
    plain = "".join(code.split()).replace("-", "").lower()
    return plain if len(plain) == LENGTH and set(plain) <= set(ALPHABET) else None


def consume(db: Connection, user_id: str, code: str, now: int) -> bool:
    """Use a code up; True for exactly one caller."""
    plain = normalize(code)
    return plain is not None and recovery_codes.consume(db, user_id, opaque.digest(KIND, plain), now)


def left(db: Connection, user_id: str) -> int:
    """Return how many codes can still be used."""
    return recovery_codes.count_left(db, user_id)
