"""Settings of mail: one line says what is wrong, without the password."""

import pytest

from server.mail_settings import Sender, SmtpServer, Tls, parse_sender, parse_smtp_url
from server.settings import SettingsError, load


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587)),
        ("smtp://mail.example.com/?tls=tls", SmtpServer("mail.example.com", 465, Tls.TLS)),
        ("smtp://mail.example.com?tls=none", SmtpServer("mail.example.com", 25, Tls.NONE)),
        ("smtp://u%40x:p%2F%3A@[::1]:2525", SmtpServer("::1", 2525, Tls.STARTTLS, "u@x", "p/:")),
        ("smtp://u:p@localhost:25?tls=none", SmtpServer("localhost", 25, Tls.NONE, "u", "p")),
    ],
)
def test_smtp_urls(url: str, expected: SmtpServer) -> None:
    assert parse_smtp_url(url) == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mail.example.com", "must look like"),
        ("https://mail.example.com", "must look like"),
        ("smtp://user:hunter22@", "must look like"),
        ("smtp://user:hunter22@mail.example.com:port", "must look like"),
        ("smtp://user:hunter22@mail.example.com:0", "must look like"),
        ("smtp://user:hunter22/@mail.example.com", "must look like"),
        ("smtp://user:hunter22@mail.example.com/path", "must look like"),
        ("smtp://user:hunter22@mail.example.com?tls=maybe", "tls=starttls"),
        ("smtp://user:hunter22@mail.example.com?timeout=3", "tls=starttls"),
        ("smtp://user:hunter22@mail.example.com?tls=none", "in clear"),
        ("smtp://user@mail.example.com", "both"),
        ("smtp://:hunter22@mail.example.com", "both"),
    ],
)
def test_smtp_urls_that_are_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"OSTIARY_SMTP_URL": url})
    text = str(refused.value)
    assert text.startswith("OSTIARY_SMTP_URL ")
    assert said in text
    assert "\n" not in text
    assert "hunter22" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no-reply@example.com", Sender("", "no-reply@example.com")),
        (" Example, Inc. <no-reply@example.com> ", Sender("Example, Inc.", "no-reply@example.com")),
        ('"Example" <a@b>', Sender("Example", "a@b")),
    ],
)
def test_senders(text: str, expected: Sender) -> None:
    assert parse_sender(text) == expected


@pytest.mark.parametrize(
    "text", ["Example", "a@", "@b", "a@b@c", "a@b\r\nBcc: c@d", "A\nB <a@b>", "a@b, c@d", "A <a@b> <c@d>", "<>"]
)
def test_senders_that_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^OSTIARY_MAIL_FROM must look like"):
        load({"OSTIARY_MAIL_FROM": text})
