"""Structured logs on standard error, with redaction."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from server.observability import trace
from server.settings import LogFormat, Settings

REDACTED = "[redacted]"
SECRET_NAMES = re.compile(
    r"(?i)(password|secret|token|code|assertion|authorization|cookie|verifier|challenge|state|nonce|hint)$"
)
# Our own opaque secrets by their prefix, JWTs by their form, credentials in URLs and headers.
SECRET_VALUES = re.compile(
    r"(?:o[a-z]{2}_[A-Za-z0-9_\-]{16,})"
    r"|(?:(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{5,}+(?:\.[A-Za-z0-9_\-]*+){1,4})"
    r"|(?:(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
    r"|(?:(?i:(?:bearer|basic|dpop)\s+)[A-Za-z0-9+/=_\-.~]{8,})"
)
MAX_CHARACTERS = 2000
_UNPRINTABLE = re.compile(r"[^ -~]")


def redact(value: object) -> object:
    """Return a value without anything that looks like a credential, on one line."""
    if not isinstance(value, str):
        return value
    # Cut first: nobody decides how long a line takes. What is left of a secret at the cut is no secret any more.
    text = SECRET_VALUES.sub(REDACTED, value[: 2 * MAX_CHARACTERS])[:MAX_CHARACTERS]
    return text if text.isprintable() else _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else match[0].encode("unicode_escape").decode("ascii")


def _add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    found = trace.current()
    if found is not None:
        event.setdefault("request_id", found.request_id)
        if found.client_id is not None:
            event.setdefault("client", found.client_id)
    return event


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        is_secret = name not in ("event", "exception") and SECRET_NAMES.search(name)
        event[name] = REDACTED if is_secret else value if name == "exception" else redact(value)
    if isinstance(event.get("exception"), str):
        event["exception"] = SECRET_VALUES.sub(REDACTED, event["exception"])
    return event


class _RedactingFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


def configure(settings: Settings) -> None:
    """Set up logging for this process."""
    level = getattr(logging, settings.log_level.upper())
    is_json = settings.log_format is LogFormat.JSON
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    exception: list[Any] = [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exception,
            _add_trace,
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, force=True)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_RedactingFilter())
    # Authlib logs whole token responses at DEBUG.
    for name in ("authlib", "joserfc", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)


def logger() -> FilteringBoundLogger:
    """Return the server's logger."""
    found: FilteringBoundLogger = structlog.get_logger("ostiary")
    return found
