"""How often strangers may make the server do something: so many at once, and then so many a second.

In the memory of one process: what is refused costs no row, which is what a flood wants. Several nodes allow as many
times as much. Guesses are counted elsewhere, for all nodes together: `server/accounts/throttling.py`.
"""

from collections import OrderedDict
from dataclasses import dataclass

from server.clock import Clock

MAX_NAMES = 10_000


@dataclass(slots=True)
class _Bucket:
    left: int
    filled_at: int


class Pace:
    """One bucket for each name: full at first, filled again with time."""

    def __init__(
        self, clock: Clock, *, at_once: int, a_second: int, is_on: bool = True, max_names: int = MAX_NAMES
    ) -> None:
        self._clock = clock
        self._at_once = at_once
        self._a_second = a_second
        self._is_on = is_on
        self._max_names = max_names
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str) -> bool:
        """Take one from the bucket of a name; False where it is empty, until a second has gone by."""
        if not self._is_on:
            return True
        now = self._clock.now()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._at_once, now)
            if len(self._buckets) > self._max_names:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        if now > bucket.filled_at:
            bucket.left = min(self._at_once, bucket.left + (now - bucket.filled_at) * self._a_second)
        bucket.filled_at = now
        if bucket.left == 0:
            return False
        bucket.left -= 1
        return True
