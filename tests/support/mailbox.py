"""The mails that a running server has sent, as `.eml` files."""

import asyncio
import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from server.mail.delivery import Delivery
from server.mail.outbox import TOPIC
from server.storage import outbox
from tests.support.server import RunningServer

_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Letter:
    """One mail."""

    to: str
    subject: str
    text: str
    language: str

    @property
    def link(self) -> str:
        """The first link in it."""
        found = _LINK.search(self.text)
        assert found is not None, self.text
        return found.group()

    @property
    def token(self) -> str:
        """The token in that link."""
        return self.link.partition("token=")[2].partition("&")[0]


class Mailbox:
    """Everybody's mail; each letter is shown once."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._seen: set[Path] = set()

    async def letters(self) -> list[Letter]:
        """Return the letters since the last call, once everything is sent."""
        services = self._server.services
        await Delivery(services.settings, services.database, services.sealer, services.clock).run_due()
        for _ in range(500):
            if not await services.database.read(lambda db: outbox.list_items(db, TOPIC)):
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError("the outbox does not become empty")
        files = set((services.settings.data_dir / "mail").glob("*.eml")) - self._seen
        self._seen |= files
        return [_read(file) for file in sorted(files)]

    async def letter(self, to: str | None = None, subject: str | None = None) -> Letter:
        """Return the one new letter (to this address, with this subject)."""
        letters = await self.letters()
        found = [letter for letter in letters if to in (None, letter.to) and subject in (None, letter.subject)]
        assert len(found) == 1, letters
        return found[0]


def _read(file: Path) -> Letter:
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body is not None
    return Letter(message["To"], message["Subject"], body.get_content(), message["Content-Language"])
