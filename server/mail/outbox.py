"""Putting mails into the outbox, in the transaction of what they tell, and reading them again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.storage import outbox
from server.tokens import opaque

TOPIC = "mail"
ID_PREFIX = "mail_"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, not yet in words: its template in `templates/mail/` says it."""

    to: str
    """E-mail address."""
    template: str
    """Name of the template without its ending: `verify_email`."""
    language: str | None
    """BCP 47 tag; None: the server's first language."""
    values: Mapping[str, str | int] = field(default_factory=dict)
    """What the template needs: links, names, codes, times in Unix seconds."""


def enqueue(db: Connection, sealer: Sealer, mail: Mail, *, user_id: str | None, now: int) -> None:
    """Send a mail once this transaction has committed. The row is sealed: it may hold one-time links."""
    mail_id = opaque.new_identifier(ID_PREFIX)
    text = json.dumps(
        {"to": mail.to, "template": mail.template, "language": mail.language, "values": dict(mail.values)}
    )
    row = {
        "id": mail_id,
        "topic": TOPIC,
        "sealed": sealer.seal(text.encode(), context=context_of(mail_id)),
        "user_id": user_id,
        "created_at": now,
        "next_try_at": now,
        "tries": 0,
    }
    outbox.add(db, row)


def context_of(mail_id: str) -> str:
    """Return the row's identity, to which its seal is bound."""
    return f"outbox:{mail_id}"


def unseal(sealer: Sealer, item: outbox.Item) -> Mail:
    """Read a row again. Raises SealError."""
    found = json.loads(sealer.unseal(item.sealed, context=context_of(item.id)))
    return Mail(found["to"], found["template"], found["language"], found["values"])
