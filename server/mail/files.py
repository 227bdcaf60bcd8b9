"""Mails as `.eml` files, for trying things out: any mail program opens them."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

from server.mail.outgoing import MailError, Outgoing

FOLDER = "mail"


class FileTransport:
    """Writes each mail into a file that only the server's user may read. Nothing deletes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def destination(self) -> str:
        """Where mails go, for operators."""
        return f".eml files in {self._folder}"

    async def send(self, mail: Outgoing) -> None:
        """Write a mail. Raises MailError."""
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError as error:
            raise MailError(f"the mail cannot be written into {self._folder}: {error.strerror}") from None

    async def check(self) -> None:
        """See whether files can be written. Raises MailError."""
        try:
            await asyncio.to_thread(self._check)
        except OSError as error:
            raise MailError(f"{self._folder} cannot be written to: {error.strerror}") from None

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _check(self) -> None:
        place = self._folder
        while not place.exists():  # who only looks makes no folder
            place = place.parent
        probe = place / f".{os.getpid()}.probe"
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, 0o600))
        probe.unlink()

    def _write(self, mail: Outgoing) -> None:
        self._make_folder()
        # by name is by time; a second try after a crash writes the same file again
        name = f"{datetime.fromtimestamp(mail.created_at, UTC):%Y%m%dT%H%M%SZ}-{mail.id}.eml"
        unfinished = self._folder / f".{name}.{os.getpid()}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(mail.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._folder / name)
        # the row is deleted next: the name must have reached the disk before
        _sync_folder(self._folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
