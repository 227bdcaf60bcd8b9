"""A pushed authorization request between the push and its answer: RFC 9126 sections 2.2 and 4.

It may be begun for as long as `request_uri` lives, and more than once, because people reload pages; it is answered
once. So it is the answer that uses it up, and until then it is kept for as long as a sign-in may take.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.request import Parameters
from server.storage import one_time
from server.tokens import opaque

KIND = "pushed_request"
PREFIX = "urn:ietf:params:oauth:request_uri:"
SECONDS = 60
"""How long a sign-in may be begun with it (section 2.2: a short time)."""
MAX_CHARACTERS = 16_384
"""All names and values together: clients need a tenth of it, and what is not known is stored with the rest."""


def size_of(parameters: Parameters) -> int:
    """Return how many characters would be stored."""
    single = sum(len(name) + len(value) for name, value in parameters.values.items())
    return single + sum(len(value) for values in parameters.lists.values() for value in values)


def add(
    db: Connection, client_id: str, parameters: Parameters, *, is_signed: bool, now: int, sign_in_seconds: int
) -> str:
    """Store the parameters and return their `request_uri`: 256 random bits, of which only the digest is kept."""
    request_uri = opaque.mint(PREFIX)
    payload = {
        "values": dict(parameters.values),
        "lists": {name: list(values) for name, values in parameters.lists.items()},
        "is_signed": is_signed,
        "begin_before": now + SECONDS,
    }
    one_time.add(
        db,
        KIND,
        opaque.digest(KIND, request_uri),
        payload,
        now=now,
        expires_at=now + SECONDS + sign_in_seconds,
        client_id=client_id,
    )
    return request_uri


def find(db: Connection, digest: str, client_id: str, now: int) -> Mapping[str, Any] | None:
    """Return what the client pushed, if a sign-in may still begin with it."""
    row = one_time.find_live(db, KIND, digest, now)
    if row is None or row["client_id"] != client_id or row["payload"]["begin_before"] <= now:
        return None
    payload: Mapping[str, Any] = row["payload"]
    return payload


def use_up(db: Connection, request: AuthorizationRequest | None, now: int) -> bool:
    """Use up what was pushed for a request, if anything was; False where another answer did it before."""
    if request is None or request.pushed_request is None:
        return True
    return one_time.consume(db, KIND, request.pushed_request, now) is not None
