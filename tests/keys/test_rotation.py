from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.rotation import Activate, Change, Generate, Remove, Retire, RotationPolicy, plan, plan_manual
from keys.signing_key import KeyState, SigningKey
from tests.keys.material import NOW

DAY = 86_400
POLICY = RotationPolicy(("RS256",), rotation_seconds=90 * DAY, publish_seconds=360, retain_seconds=30 * DAY)
BOTH = replace(POLICY, algorithms=("RS256", "ES256"))


class Keys:
    """Carries plans out as the server does, and refuses what its table would refuse."""

    def __init__(self) -> None:
        self.rows: dict[str, SigningKey] = {}
        self.emergencies: set[str] = set()
        """Keys that signed as soon as they were made, or before their time."""
        self._numbers = count()

    def apply(self, changes: Iterable[Change], now: int) -> None:
        for change in changes:
            match change:
                case Generate():
                    self._generate(change, now)
                case Activate():
                    key = self.rows[change.kid]
                    assert key.state is KeyState.NEXT
                    if key.activate_at > now:
                        self.emergencies.add(key.kid)
                    self._set(replace(key, state=KeyState.ACTIVE, activated_at=now))
                case Retire():
                    key = self.rows[change.kid]
                    assert key.state is KeyState.ACTIVE
                    self._set(replace(key, state=KeyState.RETIRING, retired_at=now, remove_at=change.remove_at))
                case Remove():
                    assert self.rows.pop(change.kid).state in {KeyState.NEXT, KeyState.RETIRING}

    def _generate(self, change: Generate, now: int) -> None:
        kid = f"key{next(self._numbers):04}"
        state = KeyState.ACTIVE if change.activate_now else KeyState.NEXT
        if change.activate_now:
            self.emergencies.add(kid)
        activated_at = now if change.activate_now else None
        self._set(SigningKey(kid, change.algorithm, state, {}, "", now, change.activate_at, activated_at=activated_at))

    def _set(self, key: SigningKey) -> None:
        self.rows[key.kid] = key
        active = [k.algorithm for k in self.rows.values() if k.state is KeyState.ACTIVE]
        assert len(active) == len(set(active)), "two active keys of one algorithm"

    def run(self, now: int, policy: RotationPolicy = POLICY) -> list[Change]:
        changes = plan(self.all, now, policy)
        self.apply(changes, now)
        assert plan(self.all, now, policy) == []
        return changes

    def rotate(self, now: int, policy: RotationPolicy = POLICY, *, immediately: bool) -> list[Change]:
        changes = plan_manual(self.all, now, policy, immediately=immediately)
        self.apply(changes, now)
        return changes

    def revoke(self, kid: str, now: int) -> None:
        self._set(replace(self.rows[kid], state=KeyState.REVOKED, revoked_at=now))

    @property
    def all(self) -> list[SigningKey]:
        return list(self.rows.values())

    def in_state(self, state: KeyState, algorithm: str = "RS256") -> list[SigningKey]:
        return [key for key in self.rows.values() if key.state is state and key.algorithm == algorithm]

    def active(self, algorithm: str = "RS256") -> SigningKey:
        (key,) = self.in_state(KeyState.ACTIVE, algorithm)
        return key


@pytest.fixture
def keys() -> Keys:
    """A server that started now."""
    started = Keys()
    started.run(NOW)
    return started


@pytest.mark.parametrize("now", [0, NOW])
def test_the_first_start_makes_a_key_of_each_algorithm_that_signs_at_once(now: int) -> None:
    assert Keys().run(now, BOTH) == [
        Generate("RS256", now, activate_now=True),
        Generate("ES256", now, activate_now=True),
    ]


def test_nothing_is_due_while_the_key_is_young(keys: Keys) -> None:
    for now in (NOW, NOW + DAY, NOW + 90 * DAY - 361):
        assert keys.run(now) == []


def test_the_next_key_is_published_before_the_old_one_is_due(keys: Keys) -> None:
    due = NOW + 90 * DAY
    assert keys.run(due - 360) == [Generate("RS256", due, activate_now=False)]
    assert keys.run(due - 1) == []
    old, (upcoming,) = keys.active(), keys.in_state(KeyState.NEXT)
    assert keys.run(due) == [Retire(old.kid, due + 30 * DAY), Activate(upcoming.kid)]
    assert keys.active().kid == upcoming.kid


def test_a_late_rotation_still_publishes_first(keys: Keys) -> None:
    late = NOW + 200 * DAY
    assert keys.run(late) == [Generate("RS256", late + 360, activate_now=False)]
    assert keys.run(late + 359) == []
    assert len(keys.run(late + 360)) == 2


def test_a_retired_key_is_removed_at_its_time(keys: Keys) -> None:
    old = keys.active()
    keys.run(NOW + 90 * DAY)
    keys.run(NOW + 90 * DAY + 360)
    gone = NOW + 120 * DAY + 360
    assert keys.run(gone - 1) == []
    assert keys.run(gone) == [Remove(old.kid)]


def test_a_key_of_an_algorithm_that_is_no_longer_configured_ends_with_its_term() -> None:
    keys = Keys()
    keys.run(NOW, BOTH)
    old, over = keys.active("ES256"), NOW + 90 * DAY
    keys.run(over - 1, POLICY)
    assert keys.active("ES256") == old
    assert Retire(old.kid, over + 30 * DAY) in keys.run(over, POLICY)
    assert Remove(old.kid) in keys.run(over + 30 * DAY, POLICY)


def test_a_key_that_waited_for_an_algorithm_that_is_gone_is_removed() -> None:
    keys = Keys()
    keys.run(NOW, BOTH)
    keys.rotate(NOW, BOTH, immediately=False)
    (waiting,) = keys.in_state(KeyState.NEXT, "ES256")
    keys.run(NOW + 1, POLICY)
    assert keys.in_state(KeyState.NEXT, "ES256") == [waiting], "a node that has the algorithm may wait for it"
    assert Remove(waiting.kid) in keys.run(NOW + 360 + 90 * DAY, POLICY)


def test_nodes_that_disagree_about_algorithms_leave_each_other_their_keys() -> None:
    """While servers restart one after the other with another list."""
    keys = Keys()
    keys.run(NOW, POLICY)
    keys.run(NOW + 1, BOTH)
    theirs = keys.active("ES256")
    for second in range(2, 200, 2):
        assert keys.run(NOW + second, POLICY) == []
        assert keys.run(NOW + second + 1, BOTH) == []
    assert keys.active("ES256") == theirs


def test_an_algorithm_that_comes_back_late_gets_a_new_key() -> None:
    keys = Keys()
    keys.run(NOW, BOTH)
    old, late = keys.active("ES256"), NOW + 90 * DAY
    keys.run(late, POLICY)
    assert Generate("ES256", late + 1, activate_now=True) in keys.run(late + 1, BOTH)
    assert keys.rows[old.kid].state is KeyState.RETIRING


def test_a_revoked_key_is_replaced_at_once(keys: Keys) -> None:
    keys.revoke(keys.active().kid, NOW + 5)
    assert keys.run(NOW + 5) == [Generate("RS256", NOW + 5, activate_now=True)]


def test_a_revoked_key_is_replaced_by_the_one_that_is_published_already(keys: Keys) -> None:
    keys.rotate(NOW, immediately=False)
    (waiting,) = keys.in_state(KeyState.NEXT)
    keys.revoke(keys.active().kid, NOW + 5)
    assert keys.run(NOW + 5) == [Activate(waiting.kid)]


def test_a_revoked_key_stays_on_record(keys: Keys) -> None:
    revoked = keys.active()
    keys.revoke(revoked.kid, NOW + 5)
    keys.run(NOW + 5)
    keys.run(NOW + 1000 * DAY)
    assert keys.rows[revoked.kid].state is KeyState.REVOKED


def test_a_rotation_by_hand_publishes_first(keys: Keys) -> None:
    assert keys.rotate(NOW + 5, immediately=False) == [Generate("RS256", NOW + 365, activate_now=False)]
    assert keys.run(NOW + 364) == []
    assert [type(change) for change in keys.run(NOW + 365)] == [Retire, Activate]


def test_a_rotation_by_hand_waits_for_the_key_that_waits_already(keys: Keys) -> None:
    keys.rotate(NOW + 5, immediately=False)
    assert keys.rotate(NOW + 6, immediately=False) == []


def test_an_emergency_rotation_signs_with_a_new_key_at_once(keys: Keys) -> None:
    old = keys.active()
    keys.rotate(NOW + 5, immediately=False)
    (waiting,) = keys.in_state(KeyState.NEXT)
    expected = [
        Remove(waiting.kid),
        Retire(old.kid, NOW + 6 + 30 * DAY),
        Generate("RS256", NOW + 6, activate_now=True),
    ]
    assert keys.rotate(NOW + 6, immediately=True) == expected
    assert keys.active().kid not in {old.kid, waiting.kid}
    assert keys.run(NOW + 6) == []


@pytest.mark.parametrize("immediately", [True, False])
def test_a_rotation_by_hand_before_the_first_start_makes_the_first_keys(*, immediately: bool) -> None:
    keys = Keys()
    assert keys.rotate(NOW, immediately=immediately) == [Generate("RS256", NOW, activate_now=True)]
    assert keys.run(NOW) == []


def test_keys_that_sign_for_no_longer_than_they_are_published_overlap() -> None:
    short = replace(POLICY, rotation_seconds=300)
    keys = Keys()
    first, second = keys.run(NOW, short)
    assert first == Generate("RS256", NOW, activate_now=True)
    assert second == Generate("RS256", NOW + 360, activate_now=False)
    assert [type(change) for change in keys.run(NOW + 360, short)] == [Retire, Activate, Generate]


STEPS = st.lists(
    st.tuples(
        st.integers(15, 5 * DAY),
        st.sampled_from([""] * 12 + ["rotate", "emergency", "revoke", "revoke next", "only RS256", "both"]),
    ),
    max_size=120,
)


def _disturb(keys: Keys, event: str, now: int, policy: RotationPolicy) -> RotationPolicy:
    if event in {"rotate", "emergency"}:
        keys.rotate(now, policy, immediately=event == "emergency")
    elif event in {"revoke", "revoke next"}:
        state = KeyState.ACTIVE if event == "revoke" else KeyState.NEXT
        for key in keys.in_state(state):
            keys.revoke(key.kid, now)
    elif event:
        return replace(policy, algorithms=("RS256",) if event == "only RS256" else ("RS256", "ES256"))
    return policy


def _check_publication(keys: Sequence[SigningKey], emergencies: set[str], policy: RotationPolicy) -> None:
    for key in keys:
        if key.activated_at is not None and key.kid not in emergencies:
            assert key.activated_at >= key.activate_at
            assert key.activated_at - key.created_at >= policy.publish_seconds
        if key.retired_at is not None and key.remove_at is not None:
            assert key.remove_at >= key.retired_at + policy.retain_seconds


@settings(deadline=None)
@given(
    steps=STEPS,
    rotation=st.integers(3600, 100 * DAY),
    publish=st.integers(61, DAY + 60),
    retain=st.integers(DAY, 31 * DAY),
)
def test_at_any_time_of_a_year_one_key_signs_and_what_it_signed_can_be_verified(
    steps: list[tuple[int, str]], rotation: int, publish: int, retain: int
) -> None:
    policy = RotationPolicy(("RS256", "ES256"), rotation, publish, retain)
    keys, now, last_signed = Keys(), NOW, dict[str, int]()
    for wait, event in [(0, ""), *steps, *[(DAY // 2, "")] * 100]:
        now += wait
        policy = _disturb(keys, event, now, policy)
        before = keys.rows.copy()
        keys.run(now, policy)
        for kid in before.keys() - keys.rows.keys():  # whatever it signed is over by now
            assert now >= last_signed.get(kid, 0) + retain
        for algorithm in policy.algorithms:
            last_signed[keys.active(algorithm).kid] = now
        _check_publication(keys.all, keys.emergencies, policy)


@pytest.mark.parametrize("tick", [60, 3600])
def test_a_quiet_year_has_no_emergency_but_the_first_start(tick: int) -> None:
    keys, signing = Keys(), list[str]()
    for now in range(NOW, NOW + 365 * DAY, tick):
        keys.run(now)
        active = keys.active()
        if not signing or signing[-1] != active.kid:
            signing.append(active.kid)
        assert active.activated_at is not None
        assert now - active.activated_at <= POLICY.rotation_seconds + 2 * max(tick, 360)
    assert keys.emergencies == {signing[0]}
    assert len(signing) == 5
    _check_publication(keys.all, keys.emergencies, POLICY)
