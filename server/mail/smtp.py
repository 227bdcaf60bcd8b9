"""Handing mails to an SMTP server (RFC 5321, submission: RFC 6409, TLS: RFC 8314)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiosmtplib
from aiosmtplib import SMTP

from server.mail.outgoing import MailError, Outgoing
from server.mail_settings import SmtpServer, Tls

STEP_SECONDS = 15.0
"""Time for the connection and for each answer."""
CONNECT_SECONDS = 30.0
SEND_SECONDS = 60.0
"""Both together, and QUIT, are shorter than the lease on a mail's row."""
QUIT_SECONDS = 2.0
PERMANENT = 500


class SmtpTransport:
    """Sends each mail over a connection of its own."""

    def __init__(self, server: SmtpServer, local_hostname: str, tls_context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._local_hostname = local_hostname
        # the certificate must be valid for the host: a TLS connection to anybody protects no one-time link
        self._tls_context = tls_context

    @property
    def destination(self) -> str:
        """Where mails go, for operators."""
        return f"{self._server.host}:{self._server.port} (tls={self._server.tls})"

    async def send(self, mail: Outgoing) -> None:
        """Hand over a mail. Raises MailError."""
        content = mail.as_bytes()
        options = ["SMTPUTF8", "BODY=8BITMIME"] if mail.needs_utf8 else []
        async with self._connected() as client, _explained(SEND_SECONDS):
            await client.sendmail(mail.sender, [mail.recipient], content, mail_options=options)

    async def check(self) -> None:
        """Connect, protect and sign in, without sending anything. Raises MailError."""
        async with self._connected() as client, _explained(SEND_SECONDS):
            await client.ehlo()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[SMTP]:
        client = self._client()
        try:
            async with _explained(CONNECT_SECONDS):
                await client.connect()
            yield client
            # The mail has been taken: whatever happens to the goodbye, it must not be sent again.
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=QUIT_SECONDS)
        finally:
            client.close()

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password or None,
            local_hostname=self._local_hostname,
            timeout=STEP_SECONDS,
            use_tls=server.tls is Tls.TLS,
            # True: a server without STARTTLS is refused, or anybody on the way could talk us out of it (RFC 8314)
            start_tls=server.tls is Tls.STARTTLS,
            tls_context=None if server.tls is Tls.NONE else self._tls_context or ssl.create_default_context(),
        )


@asynccontextmanager
async def _explained(seconds: float) -> AsyncIterator[None]:
    """Turn what can go wrong into MailError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except aiosmtplib.SMTPRecipientsRefused as error:
        refusal = error.recipients[0]
        raise _refused("the recipient was refused", refusal) from None
    except aiosmtplib.SMTPDataError as error:
        raise _refused("the mail was refused", error) from None
    except aiosmtplib.SMTPNotSupported as error:
        raise MailError(f"the mail server does not support what is needed: {error}", is_permanent=True) from None
    except aiosmtplib.SMTPAuthenticationError as error:
        raise MailError(f"the mail server refused user or password: {error.code} {error.message}") from None
    except aiosmtplib.SMTPResponseException as error:
        # about the sender or us, not about this mail: a wrong setting must not cost mails
        raise MailError(f"the mail server refused: {error.code} {error.message}") from None
    except ssl.SSLError as error:
        raise MailError(f"the connection could not be protected: {error}") from None
    except TimeoutError:
        raise MailError("the mail server does not answer in time") from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise MailError(f"the mail server cannot be used: {error}") from None


def _refused(what: str, error: aiosmtplib.SMTPResponseException) -> MailError:
    # RFC 5321 section 4.2.1: 5yz is permanent, 4yz may be tried again
    return MailError(f"{what}: {error.code} {error.message}", is_permanent=error.code >= PERMANENT)
