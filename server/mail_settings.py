"""What `OSTIARY_SMTP_URL` and `OSTIARY_MAIL_FROM` may say. Errors are for operators and repeat no password."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FORM = "smtp://user:password@host:587?tls=starttls (or tls=tls, tls=none)"
_SENDER = re.compile(r"(?:(?P<name>[^<>\x00-\x1f\x7f]*)<(?P<inside>[^<>]+)>|(?P<bare>[^<>]+))")
# The local part as RFC 5321 section 4.1.2 has it without quotes, ASCII: not every server takes another sender.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")


class Tls(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


PORTS = {Tls.STARTTLS: 587, Tls.TLS: 465, Tls.NONE: 25}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails are handed over."""

    host: str
    port: int
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who mails come from."""

    name: str
    """Empty: the brand's name."""
    address: str


def parse_smtp_url(url: str) -> SmtpServer:
    """Read an SMTP URL. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ValueError(f"must look like {FORM}; write special characters of the password as %XX") from None
    if parts.scheme != "smtp" or not host or parts.path not in ("", "/") or parts.fragment or port == 0:
        raise ValueError(f"must look like {FORM}; write special characters of the password as %XX")
    if set(query) - {"tls"} or query.get("tls", "starttls") not in list(Tls):
        raise ValueError("can only have tls=starttls, tls=tls or tls=none behind the question mark")
    tls = Tls(query.get("tls", Tls.STARTTLS))
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise ValueError("must have both a user and a password, or neither")
    if password and tls is Tls.NONE and host not in LOOPBACK:
        raise ValueError("would send the password in clear: use tls=starttls or tls=tls, or leave the password out")
    return SmtpServer(host, port or PORTS[tls], tls, username, password)


def parse_sender(text: str) -> Sender:
    """Read `Name <address>` or an address. Raises ValueError."""
    found = _SENDER.fullmatch(text.strip())
    address = (found["inside"] or found["bare"]).strip() if found else ""
    if found is None or not _ADDRESS.fullmatch(address):
        raise ValueError("must look like no-reply@example.com or Example <no-reply@example.com>")
    return Sender((found["name"] or "").strip().strip('"'), address)
