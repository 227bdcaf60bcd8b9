"""So many at once, then so many a second."""

from server.pacing import Pace
from tests.support.server import FakeClock


def _taken(pace: Pace, name: str, times: int) -> int:
    return sum(pace.take(name) for _ in range(times))


def test_a_bucket_is_emptied_and_filled_again_up_to_its_size() -> None:
    clock = FakeClock()
    pace = Pace(clock, at_once=10, a_second=3)
    assert _taken(pace, "a", 20) == 10
    assert _taken(pace, "b", 20) == 10
    clock.advance(2)
    assert _taken(pace, "a", 20) == 6
    clock.advance(1000)
    assert _taken(pace, "a", 20) == 10


def test_a_clock_that_is_set_back_fills_nothing_and_breaks_nothing() -> None:
    clock = FakeClock()
    pace = Pace(clock, at_once=2, a_second=1)
    assert _taken(pace, "a", 3) == 2
    clock.advance(-500)
    assert _taken(pace, "a", 3) == 0
    clock.advance(1)
    assert _taken(pace, "a", 3) == 1


def test_memory_is_bounded_and_the_busiest_stay_known() -> None:
    pace = Pace(FakeClock(), at_once=1, a_second=1, max_names=3)
    assert pace.take("busy")
    for number in range(10):
        pace.take(f"other{number}")
        assert not pace.take("busy")


def test_it_can_be_off() -> None:
    assert _taken(Pace(FakeClock(), at_once=1, a_second=1, is_on=False), "a", 50) == 50
