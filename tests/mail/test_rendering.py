"""Mails in words: every template, both versions, and nothing that a stranger can slip in."""

import email
import email.policy
import re
from email.message import EmailMessage
from html import escape
from pathlib import Path

import pytest

from server.languages import Languages
from server.languages.templates import DIRECTORY
from server.mail.outbox import Mail
from server.mail.outgoing import MailError, Outgoing
from server.mail.rendering import MailRenderer
from server.pages.devices import describe
from server.settings import Settings

LINK = "https://login.example.com/verify?token=abc&lang=en"
AT = 1_790_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WHEN: dict[str, str | int] = {"name": "Alice", "device": FIREFOX, "time": AT}
VALUES: dict[str, dict[str, str | int]] = {
    "verify_email": {"link": LINK, "name": "Alice"},
    "email_taken": {"name": "Alice"},
    "reset_password": {"link": LINK, "name": "Alice"},
    "password_changed": WHEN,
    "confirm_new_email": {"link": LINK, "name": "Alice"},
    "email_changed": {"name": "Alice", "new_email": "new@example.com"},
    "invitation": {"link": LINK, "inviter": "Bob"},
    "email_code": {"code": "123456"},
    "recovery_code_used": {**WHEN, "left": 1},
    "factor_added": {**WHEN, "factor": "passkey"},
    "factor_removed": {**WHEN, "factor": "My phone"},
    "account_deleted": {"name": "Alice", "erase_time": AT},
    "backchannel_request": {"name": "Alice", "client": "Corner Bank", "link": LINK, "end": AT},
    "test": {},
}
FRAMES = {"base", "when"}
SHOWN = {
    "password_changed": "Firefox on Linux",
    "email_changed": "new@example.com",
    "invitation": "Bob invites you",
    "email_code": "123456",
    "recovery_code_used": "You have 1 recovery code left.",
    "factor_added": "Passkey",
    "factor_removed": "My phone",
    "account_deleted": "21 September 2026, 14:13 UTC",
    "backchannel_request": "Corner Bank asks you",
}


def _settings(**values: str) -> Settings:
    return Settings.model_validate({"issuer": "https://login.example.com", "brand_name": "Example", **values})


def _render(
    template: str,
    values: dict[str, str | int] | None = None,
    *,
    to: str = "alice@example.com",
    language: str | None = None,
) -> Outgoing:
    mail = Mail(to, template, language, VALUES[template] if values is None else values)
    return MailRenderer(_settings(), describe).render(mail, mail_id="mail_1", created_at=AT)


def _received(outgoing: Outgoing) -> EmailMessage:
    parsed = email.message_from_bytes(outgoing.as_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def _bodies(outgoing: Outgoing) -> tuple[str, str]:
    received = _received(outgoing)
    assert received.get_content_type() == "multipart/alternative"
    text, html = received.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return text.get_content().replace("\r\n", "\n"), html.get_content()


def test_every_template_is_tried_here() -> None:
    for ending in ("txt", "html"):
        assert {path.stem for path in (DIRECTORY / "mail").glob(f"*.{ending}")} == set(VALUES) | FRAMES


@pytest.mark.parametrize("template", VALUES)
def test_every_mail_has_a_subject_a_text_and_an_html_version(template: str) -> None:
    outgoing = _render(template)
    text, html = _bodies(outgoing)
    subject = _received(outgoing)["Subject"]
    assert subject
    assert "\n" not in subject
    assert subject not in text.splitlines()[:2]
    assert f"<h1>{subject}</h1>" in html
    assert text.startswith("Hello Alice,\n" if "name" in VALUES[template] else "Hello,\n")
    assert "\n\n\n" not in text
    assert "<" not in text
    assert "Example, login.example.com" in text
    for shown in (SHOWN.get(template, ""), LINK if "link" in VALUES[template] else ""):
        assert shown in text
        assert shown.replace("&", "&amp;") in html


@pytest.mark.parametrize("template", [name for name, values in VALUES.items() if "link" in values])
def test_a_link_stands_alone_on_its_line_and_can_be_read_in_html(template: str) -> None:
    text, html = _bodies(_render(template))
    assert LINK in text.splitlines()
    escaped = LINK.replace("&", "&amp;")
    assert html.count(f'href="{escaped}"') == 2
    assert f">{escaped}<" in html


def test_html_loads_nothing_from_anywhere() -> None:
    for template in VALUES:
        _, html = _bodies(_render(template))
        assert not re.search(r"(?i)<(img|script|link|iframe|form|object)|url\(|src=|@import", html), template


def test_headers_tell_machines_not_to_answer_and_mailboxes_what_is_the_same() -> None:
    """RFC 3834 section 5 and RFC 5322 section 3.6.4."""
    received = _received(_render("verify_email"))
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Message-ID"] == "<mail_1@login.example.com>"
    assert received["Date"].datetime.timestamp() == AT
    assert received["From"] == "Example <no-reply@login.example.com>"
    assert received["To"] == "alice@example.com"
    assert received["Content-Language"] == "en"
    assert _render("verify_email").as_bytes().isascii()


def test_the_sender_is_what_the_settings_say() -> None:
    renderer = MailRenderer(_settings(mail_from="Ex\N{LATIN SMALL LETTER A WITH ACUTE}mple <hello@example.com>"))
    outgoing = renderer.render(Mail("a@b.example", "test", None), mail_id="mail_1", created_at=AT)
    assert outgoing.sender == "hello@example.com"
    assert _received(outgoing)["From"] == "Ex\N{LATIN SMALL LETTER A WITH ACUTE}mple <hello@example.com>"


def test_every_language_of_the_server_can_be_wished_for_and_others_give_the_first() -> None:
    for tag in ("en", "de"):
        assert _received(_render("test", language=tag))["Content-Language"] == tag
    assert _received(_render("test", language="tlh"))["Content-Language"] == "en"
    assert '<html lang="de" dir="ltr">' in _bodies(_render("test", language="de-AT"))[1]


def test_a_catalogue_of_the_operator_says_mails_in_its_language(tmp_path: Path) -> None:
    folder = tmp_path / "languages"
    folder.mkdir()
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    said = "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}"
    pairs = {"Mail works": said, "Passkey": "PASSKEY"}
    entries = "\n".join(f'msgid "{english}"\nmsgstr "{other}"\n' for english, other in pairs.items())
    (folder / "he.po").write_text(head + entries, "utf-8")
    settings = _settings(languages="he en", data_dir=str(tmp_path))
    renderer = MailRenderer(settings)
    outgoing = renderer.render(Mail("a@b.example", "test", None), mail_id="mail_1", created_at=AT)
    assert _received(outgoing)["Subject"] == said
    assert f'<html lang="he" dir="{next(iter(Languages(["he"], [folder]))).direction}">' in _bodies(outgoing)[1]
    assert 'dir="rtl"' in _bodies(outgoing)[1]
    added = Mail("a@b.example", "factor_added", "he", VALUES["factor_added"])
    assert "PASSKEY" in _bodies(renderer.render(added, mail_id="mail_1", created_at=AT))[0]


@pytest.mark.parametrize(
    "evil", ["A\r\nBcc: all@example.com", "A\nBcc: all@example.com", "A\N{LINE SEPARATOR}Bcc: all", "A\0Bcc: all"]
)
def test_nobody_slips_a_header_in(evil: str) -> None:
    settings = _settings(brand_name=evil)
    mail = Mail("alice@example.com", "invitation", None, {"link": LINK, "inviter": evil})
    received = _received(MailRenderer(settings).render(mail, mail_id="mail_1", created_at=AT))
    assert received["Bcc"] is None
    assert received["Subject"].startswith("You are invited to A Bcc")
    assert received["To"] == "alice@example.com"


@pytest.mark.parametrize(
    "address",
    ["alice@example.com\r\nBcc: all@example.com", "alice@example.com\nX: y", "", "@", "alice", "a@b\r\n", "a@b, c@d"],
)
def test_what_is_no_address_gets_no_mail_and_no_second_try(address: str) -> None:
    with pytest.raises(MailError) as refused:
        _render("test", to=address)
    assert refused.value.is_permanent


def test_a_domain_of_other_letters_is_written_for_every_server() -> None:
    outgoing = _render("test", to="joe@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example")
    assert outgoing.recipient == "joe@xn--bcher-kva.example"
    assert not outgoing.needs_utf8


def test_a_mailbox_of_other_letters_needs_a_server_that_knows_them() -> None:
    """RFC 6531 and RFC 6532."""
    address = "j\N{LATIN SMALL LETTER O WITH DIAERESIS}rg@example.com"
    outgoing = _render("test", to=address)
    assert outgoing.needs_utf8
    assert f"To: {address}\r\n".encode() in outgoing.as_bytes()


@pytest.mark.parametrize(
    "name",
    ["You won! https://evil.example/", "evil.example", "Call me@evil.example", "x" * 61, "www.evil.example now"],
)
def test_a_name_that_is_an_advertisement_is_left_out(name: str) -> None:
    text, html = _bodies(_render("verify_email", {"link": LINK, "name": name}))
    assert text.startswith("Hello,\n")
    assert name not in text + html
    assert name not in _bodies(_render("invitation", {"link": LINK, "inviter": name}))[0]
    told = _bodies(_render("factor_added", {**WHEN, "factor": name, "device": name}))[0]
    assert name not in told
    assert "Second factor" in told


@pytest.mark.parametrize("name", ["J. R. R. Tolkien", "Dr. No", "J.R.R. Tolkien", "O'Neill-M\N{SNOWMAN}", "100% Bob"])
def test_names_of_people_are_said(name: str) -> None:
    assert _bodies(_render("verify_email", {"link": LINK, "name": name}))[0].startswith(f"Hello {name},\n")


@pytest.mark.parametrize("name", ["<b>Bob", "%(x)s", "{{ 7*7 }}", "&amp;"])
def test_a_name_is_neither_markup_nor_a_template(name: str) -> None:
    text, html = _bodies(_render("verify_email", {"link": LINK, "name": name}))
    assert text.startswith(f"Hello {name},\n")
    assert f"<p>Hello {escape(name)},</p>" in html


def test_none_left_is_said_in_words() -> None:
    assert "no recovery code left" in _bodies(_render("recovery_code_used", {**WHEN, "left": 0}))[0]
    assert "2 recovery codes left" in _bodies(_render("recovery_code_used", {**WHEN, "left": 2}))[0]
