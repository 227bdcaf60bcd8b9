"""Which request a log line belongs to, without every caller having to say so."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Trace:
    """One request. The client is who it names, proven or not."""

    request_id: str
    client_id: str | None = None


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin(request_id: str) -> None:
    """Say that from now on, in this task and those it starts, all is done for a request."""
    _current.set(Trace(request_id))


def name_client(client_id: str | None) -> None:
    """Note which client the request names."""
    trace = _current.get()
    if trace is not None:
        trace.client_id = client_id


def current() -> Trace | None:
    """Return the request that is being answered, None where nobody asked: in the background."""
    return _current.get()
