"""Where mails go: an SMTP server, or files while none is configured."""

from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from server.mail.files import FOLDER, FileTransport
from server.mail.outgoing import Outgoing
from server.mail.smtp import SmtpTransport
from server.mail_settings import Sender, parse_sender, parse_smtp_url
from server.settings import Settings


class Transport(Protocol):
    """Takes mails away."""

    @property
    def destination(self) -> str:
        """Where mails go, for operators."""
        ...

    async def send(self, mail: Outgoing) -> None:
        """Hand over a mail; when this returns, it is safe with somebody else. Raises MailError."""
        ...

    async def check(self) -> None:
        """See whether mails can be handed over. Raises MailError."""
        ...


def transport_for(settings: Settings) -> Transport:
    """Return the configured way."""
    if settings.smtp_url:
        return SmtpTransport(parse_smtp_url(settings.smtp_url), _mail_host(settings))
    return FileTransport(settings.data_dir / FOLDER)


def sender_of(settings: Settings) -> Sender:
    """Return who mails come from."""
    sender = parse_sender(settings.mail_from) if settings.mail_from else Sender("", f"no-reply@{_mail_host(settings)}")
    return Sender(sender.name or settings.brand_name, sender.address)


def _mail_host(settings: Settings) -> str:
    """Return the issuer's host as mail writes it (RFC 5321 section 4.1.3: addresses stand in brackets)."""
    host = urlsplit(settings.issuer).hostname or "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"  # noqa: PLR2004  the version's name
