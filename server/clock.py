"""The only module that asks the time. Everyone else receives it.

Times are whole Unix seconds, the NumericDate of RFC 7519 section 2.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def now(self) -> int:
        """Return the current time in Unix seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Return the current time in Unix seconds."""
        return int(time.time())


def monotonic() -> float:
    """Return seconds on a clock that never goes backwards, for measuring how long something took."""
    return time.monotonic()


def perf_counter() -> float:
    """Return seconds on the finest clock there is, for measuring one request."""
    return time.perf_counter()
