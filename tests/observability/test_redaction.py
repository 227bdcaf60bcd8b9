"""Nothing that looks like a credential reaches a log line."""

import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest

from server.observability import logging as ours
from server.settings import Settings
from server.tokens import opaque

PREFIXES = ("oac_", "ort_", "ost_", "oin_", "oso_", "ocs_", "opl_", "okb_", "opw_")
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c3JfYSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_opaque_secrets_are_left_out_wherever_they_stand(prefix: str) -> None:
    secret = opaque.mint(prefix)
    said = str(ours.redact(f"GET /x?code={secret}&state=1 {secret}."))
    assert secret not in said
    assert said.count(ours.REDACTED) == 2


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {JWT} was refused", JWT),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("authorization: basic YWxpY2U6c2VjcmV0", "YWxpY2U6c2VjcmV0"),
        ("cannot reach postgresql://ostiary:hunter2@db/x", "hunter2"),
    ],
)
def test_credentials_are_left_out(text: str, secret: str) -> None:
    assert secret not in str(ours.redact(text))


def test_one_event_is_one_line_without_control_characters() -> None:
    assert ours.redact("a\r\nfake: line") == "a\\r\\nfake: line"
    assert ours.redact("\x1b[2J\x85\u2028é") == "\\x1b[2J\\x85\\u2028é"


def test_redaction_takes_no_time_whatever_is_sent() -> None:
    started = time.thread_time()
    for text in ("eyJ" * 20_000, "/" + "eyJaaaaa." * 8000, "Bearer " * 10_000, "oac_" * 15_000, "://a:" * 12_000):
        ours.redact(text)
    assert time.thread_time() - started < 0.1


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a server at the most talkative level writes."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    with redirect_stderr(written):
        ours.configure(Settings.model_validate({"log_level": "debug", "log_format": "json"}))
        yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def test_fields_are_left_out_by_their_name_and_values_by_their_look(lines: io.StringIO) -> None:
    ours.logger().info("sign-in", password="plain words", client_secret="plain", state="s", path="/authorize", note=JWT)
    event = json.loads(lines.getvalue())
    assert event["path"] == "/authorize"
    assert {event[name] for name in ("password", "client_secret", "state", "note")} == {ours.REDACTED}


def test_libraries_are_redacted_and_authlib_is_silent_below_warnings(lines: io.StringIO) -> None:
    """Authlib logs whole token responses at debug level."""
    logging.getLogger("authlib.oauth2").debug("Issue token %r", {"access_token": JWT})
    logging.getLogger("some.library").warning("got %s", JWT)
    assert JWT not in lines.getvalue()
    assert "Issue token" not in lines.getvalue()
    assert "some.library" in lines.getvalue() or ours.REDACTED in lines.getvalue()


def test_an_exception_is_logged_without_secrets(lines: io.StringIO) -> None:
    try:
        int(f"bad token {JWT}")
    except ValueError:
        ours.logger().exception("failed")
    assert "ValueError" in lines.getvalue()
    assert JWT not in lines.getvalue()
