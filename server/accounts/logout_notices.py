"""Whom to tell that a sign-in has ended: noted with the tokens, put into the outbox in the transaction of the end.

The outbox keeps who, not the logout token: that one is minted when it is sent, or it would expire while it waits.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from clients.sector import sector_of
from server.storage import outbox, session_clients
from server.tokens import opaque

TOPIC = "logout"
ID_PREFIX = "lgo_"
BACK_CHANNEL, FRONT_CHANNEL = "backchannel_logout_uri", "frontchannel_logout_uri"


@dataclass(frozen=True, slots=True)
class Notice:
    """One client that must hear of the end of one session."""

    client_id: str
    session_id: str
    user_id: str


def note(db: Connection, session_id: str, client_id: str, metadata: Mapping[str, Any], *, channel: str) -> None:
    """Note that a client has tokens of a session, if it wants to hear of the end through this channel."""
    if channel in metadata:
        session_clients.note(db, session_id, client_id)


def enqueue(db: Connection, session_ids: Sequence[str], *, user_id: str, now: int) -> int:
    """Tell the clients of sessions that end in this transaction, once it has committed; return how many."""
    notices = [
        Notice(client_id, session_id, user_id)
        for session_id, client_id, metadata in session_clients.list_of(db, session_ids)
        if BACK_CHANNEL in metadata
    ]
    for notice in notices:
        outbox.add(db, _row(notice, now))
    return len(notices)


def _row(notice: Notice, now: int) -> dict[str, Any]:
    return {
        "id": opaque.new_identifier(ID_PREFIX),
        "topic": TOPIC,
        # Not sealed: three identifiers, and whoever ends a session need not have the root key.
        "sealed": json.dumps([notice.client_id, notice.session_id, notice.user_id]),
        "user_id": notice.user_id,
        "created_at": now,
        "next_try_at": now,
        "tries": 0,
    }


def read(item: outbox.Item) -> Notice:
    """Read a row again."""
    client_id, session_id, user_id = json.loads(item.sealed)
    return Notice(client_id, session_id, user_id)


def front_channel(db: Connection, session_id: str) -> list[tuple[str, str | None]]:
    """Return where the browser must tell the clients of a session that it ends, and which sector each is of."""
    return [
        (metadata[FRONT_CHANNEL], sector_of(client_id, metadata))
        for _, client_id, metadata in session_clients.list_of(db, [session_id])
        if FRONT_CHANNEL in metadata
    ]
