"""A mail in words, ready to hand over."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A whole message with its envelope."""

    id: str
    created_at: int
    sender: str
    """Envelope sender, ASCII."""
    recipient: str
    """Envelope recipient; its domain is ASCII where IDNA 2003 can write it so."""
    message: EmailMessage

    @property
    def needs_utf8(self) -> bool:
        """Whether only servers with SMTPUTF8 (RFC 6531) can take it."""
        return not self.recipient.isascii()

    def as_bytes(self) -> bytes:
        """Return the message as it goes over the wire."""
        # RFC 6532 header fields only where the address leaves no other way: old servers take everything else
        return self.message.as_bytes(policy=SMTPUTF8 if self.needs_utf8 else SMTP)


class MailError(Exception):
    """A mail could not be handed over. The text says why, for the operator; it may repeat what a server answered."""

    def __init__(self, text: str, *, is_permanent: bool = False) -> None:
        super().__init__(text)
        self.is_permanent = is_permanent
        """Whether trying again is of no use."""
