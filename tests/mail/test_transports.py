"""Mails are handed over: to SMTP servers with and without protection, and into files."""

import email
import email.policy
import ssl
import stat
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from server.mail.files import FileTransport
from server.mail.outbox import Mail
from server.mail.outgoing import MailError, Outgoing
from server.mail.rendering import MailRenderer
from server.mail.smtp import SmtpTransport
from server.mail.transport import sender_of, transport_for
from server.mail_settings import SmtpServer, Tls, parse_smtp_url
from server.settings import Settings
from tests.mail.conftest import LINK, MailServer, Post, StartMailServer
from tests.support.process import free_port

ALICE = "alice@example.com"
UMLAUT = "j\N{LATIN SMALL LETTER O WITH DIAERESIS}rg@example.com"
SETTINGS = Settings.model_validate({"issuer": "https://login.example.com"})


def _mail(to: str = ALICE) -> Outgoing:
    mail = Mail(to, "verify_email", None, {"link": LINK, "name": "Alice"})
    return MailRenderer(SETTINGS).render(mail, mail_id="mail_1", created_at=1_790_000_000)


def _to(server: MailServer, tls: str, context: ssl.SSLContext | None = None, **login: str) -> SmtpTransport:
    return SmtpTransport(SmtpServer("localhost", server.port, Tls(tls), **login), "login.example.com", context)


def _parsed(content: object) -> EmailMessage:
    assert isinstance(content, bytes)
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
async def test_a_mail_arrives(start_mail_server: StartMailServer, trusting: ssl.SSLContext, tls: str) -> None:
    server = await start_mail_server(tls)
    transport = _to(server, tls, trusting)
    await transport.check()
    await transport.send(_mail())
    (envelope,) = server.received
    assert envelope.mail_from == "no-reply@login.example.com"
    assert envelope.rcpt_tos == [ALICE]
    text, html = _parsed(envelope.content).iter_parts()
    assert LINK in text.get_content()
    assert LINK in html.get_content()


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(start_mail_server: StartMailServer, tls: str) -> None:
    server = await start_mail_server(tls)
    with pytest.raises(MailError, match="certificate") as refused:
        await _to(server, tls).send(_mail())
    assert not refused.value.is_permanent
    assert server.received == []


async def test_a_server_without_starttls_gets_no_mail(
    start_mail_server: StartMailServer, trusting: ssl.SSLContext
) -> None:
    """RFC 8314 section 4.1: a man in the middle would otherwise just strike STARTTLS out."""
    server = await start_mail_server("none")
    with pytest.raises(MailError, match="STARTTLS") as refused:
        await _to(server, "starttls", trusting).send(_mail())
    assert not refused.value.is_permanent
    assert server.received == []


async def test_user_and_password_are_sent_under_tls_and_a_wrong_one_costs_no_mail(
    start_mail_server: StartMailServer, trusting: ssl.SSLContext
) -> None:
    def check(_server: object, _session: object, _envelope: object, _way: str, login: object) -> AuthResult:
        assert isinstance(login, LoginPassword)
        return AuthResult(success=(login.login, login.password) == (b"us@er", b"p:ss/word"), handled=False)

    server = await start_mail_server("starttls", authenticator=check, auth_required=True)
    url = f"smtp://us%40er:p%3Ass%2Fword@localhost:{server.port}"
    await SmtpTransport(parse_smtp_url(url), "login.example.com", trusting).send(_mail())
    assert len(server.received) == 1
    with pytest.raises(MailError, match="refused user or password: 535") as refused:
        await _to(server, "starttls", trusting, username="us@er", password="wrong").send(_mail())
    assert not refused.value.is_permanent


@pytest.mark.parametrize(("answer", "is_permanent"), [("550 no such user", True), ("450 try later", False)])
async def test_a_refused_recipient_is_permanent_with_5xx_only(
    start_mail_server: StartMailServer, answer: str, *, is_permanent: bool
) -> None:
    """RFC 5321 section 4.2.1."""
    server = await start_mail_server()
    server.answers[ALICE] = answer
    with pytest.raises(MailError, match=answer) as refused:
        await _to(server, "none").send(_mail())
    assert refused.value.is_permanent is is_permanent


@pytest.mark.parametrize(("answer", "is_permanent"), [("554 looks like spam", True), ("451 disk full", False)])
async def test_refused_content_is_permanent_with_5xx_only(
    start_mail_server: StartMailServer, answer: str, *, is_permanent: bool
) -> None:
    """RFC 5321 section 4.2.1."""
    server = await start_mail_server()
    server.data_answer = answer
    with pytest.raises(MailError, match=answer) as refused:
        await _to(server, "none").send(_mail())
    assert refused.value.is_permanent is is_permanent


async def test_a_mailbox_of_other_letters_is_served_where_the_server_knows_them(
    start_mail_server: StartMailServer,
) -> None:
    """RFC 6531 section 3.1."""
    server = await start_mail_server(enable_SMTPUTF8=True)
    await _to(server, "none").send(_mail(UMLAUT))
    assert server.received[0].rcpt_tos == [UMLAUT]
    assert _parsed(server.received[0].content)["To"] == UMLAUT
    old = await start_mail_server(enable_SMTPUTF8=False)
    with pytest.raises(MailError) as refused:
        await _to(old, "none").send(_mail(UMLAUT))
    assert refused.value.is_permanent


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    transport = SmtpTransport(SmtpServer("127.0.0.1", free_port(), Tls.NONE), "login.example.com")
    for way in (transport.check, lambda: transport.send(_mail())):
        with pytest.raises(MailError) as refused:
            await way()
        assert not refused.value.is_permanent


async def test_from_the_outbox_to_a_mailbox(post: Post, start_mail_server: StartMailServer) -> None:
    server = await start_mail_server()
    server.answers["nobody@example.com"] = "550 no such user"
    for to in (ALICE, "nobody@example.com", "bob@example.com"):
        await post.put(to)
    await post.delivery(_to(server, "none")).run_due()
    assert sorted(envelope.rcpt_tos[0] for envelope in server.received) == [ALICE, "bob@example.com"]
    assert await post.waiting() == []


async def test_without_a_server_mails_are_files_that_only_we_can_read(post: Post) -> None:
    for number in range(3):
        await post.put(f"person{number}@example.com")
        post.clock.advance(1)
    await post.delivery(transport_for(post.settings)).run_due()
    folder = post.settings.data_dir / "mail"
    files = sorted(folder.iterdir())
    assert [_parsed(file.read_bytes())["To"] for file in files] == [f"person{n}@example.com" for n in range(3)]
    assert all(file.suffix == ".eml" and stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_second_try_writes_the_same_file_again(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path / "mail")
    await transport.check()
    await transport.send(_mail())
    await transport.send(_mail())
    assert [file.name for file in (tmp_path / "mail").iterdir()] == ["20260921T141320Z-mail_1.eml"]


async def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("not a folder", "utf-8")
    transport = FileTransport(tmp_path / "mail")
    for way in (transport.check, lambda: transport.send(_mail())):
        with pytest.raises(MailError, match="mail"):
            await way()


@pytest.mark.parametrize(
    ("issuer", "address"),
    [
        ("https://login.example.com/tenant", "no-reply@login.example.com"),
        ("http://localhost:8000", "no-reply@localhost"),
        ("http://127.0.0.1:8000", "no-reply@[127.0.0.1]"),
        ("http://[::1]:8000", "no-reply@[IPv6:::1]"),
    ],
)
async def test_the_sender_without_a_setting_is_at_the_issuers_host(
    issuer: str, address: str, start_mail_server: StartMailServer
) -> None:
    settings = Settings.model_validate({"issuer": issuer})
    assert sender_of(settings).address == address
    mail = MailRenderer(settings).render(Mail(ALICE, "test", None), mail_id="mail_1", created_at=1_790_000_000)
    server = await start_mail_server()
    url = f"smtp://127.0.0.1:{server.port}?tls=none"
    await transport_for(Settings.model_validate({"issuer": issuer, "smtp_url": url})).send(mail)
    assert server.received[0].mail_from == address
