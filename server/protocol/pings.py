"""Telling clients in ping mode that the person has decided: OpenID Connect CIBA Core 1.0 section 10.2.

The outbox keeps what is told, sealed: the client's notification token is its secret, and the `auth_req_id` one of ours.
"""

import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.mail.outbox import context_of
from server.storage import outbox
from server.tokens import opaque

TOPIC = "ping"
ID_PREFIX = "png_"


@dataclass(frozen=True, slots=True)
class Ping:
    """One client that must hear of one decision, in time to fetch what came of it."""

    client_id: str
    auth_req_id: str
    token: str
    expires_at: int


def enqueue(db: Connection, sealer: Sealer, ping: Ping, *, now: int) -> None:
    """Tell a client once this transaction has committed."""
    ping_id = opaque.new_identifier(ID_PREFIX)
    row = {
        "id": ping_id,
        "topic": TOPIC,
        "sealed": sealer.seal(json.dumps(asdict(ping)).encode(), context=context_of(ping_id)),
        "user_id": None,
        "created_at": now,
        "next_try_at": now,
        "tries": 0,
    }
    outbox.add(db, row)


def unseal(sealer: Sealer, item: outbox.Item) -> Ping:
    """Read a row again. Raises SealError."""
    return Ping(**json.loads(sealer.unseal(item.sealed, context=context_of(item.id))))
