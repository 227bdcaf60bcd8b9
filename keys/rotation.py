"""When which key is made, signs, retires and goes: a pure function of keys, time and policy.

A new key is published before it signs for as long as a cache of the JWK Set may live; an old one stays published until
the last token it signed is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.signing_key import KeyState, SigningKey


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """All in seconds."""

    algorithms: tuple[str, ...]
    rotation_seconds: int
    """How long a key signs."""
    publish_seconds: int
    """How long a key is published before it signs."""
    retain_seconds: int
    """How long a key stays published after it stopped signing."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Make a key pair; `activate_now` where nothing else could sign."""

    algorithm: str
    activate_at: int
    activate_now: bool


@dataclass(frozen=True, slots=True)
class Activate:
    """Let a published key sign from now on."""

    kid: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Let a key stop signing and stay published until `remove_at`."""

    kid: str
    remove_at: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Forget a key."""

    kid: str


Change = Generate | Activate | Retire | Remove


def plan(keys: Sequence[SigningKey], now: int, policy: RotationPolicy) -> list[Change]:
    """Return what is due, in the order in which to do it. Planning again after doing it gives nothing."""
    changes: list[Change] = []
    for algorithm in policy.algorithms:
        changes += _plan_algorithm(_of(keys, algorithm), algorithm, now, policy)
    for key in keys:
        if key.algorithm not in policy.algorithms and key.state is KeyState.ACTIVE:
            changes.append(Retire(key.kid, now + policy.retain_seconds))
        elif (key.algorithm not in policy.algorithms and key.state is KeyState.NEXT) or (
            key.state is KeyState.RETIRING and key.remove_at is not None and key.remove_at <= now
        ):
            changes.append(Remove(key.kid))
    return changes


def plan_manual(keys: Sequence[SigningKey], now: int, policy: RotationPolicy, *, immediately: bool) -> list[Change]:
    """Return what an operator's rotation does: a new key that signs once it was published, or at once."""
    changes: list[Change] = []
    for algorithm in policy.algorithms:
        ours = _of(keys, algorithm)
        active, upcoming = _in(ours, KeyState.ACTIVE), _in(ours, KeyState.NEXT)
        if immediately:
            changes += [Remove(key.kid) for key in upcoming]
            changes += [Retire(key.kid, now + policy.retain_seconds) for key in active]
            changes.append(Generate(algorithm, now, activate_now=True))
        elif not upcoming:
            changes.append(Generate(algorithm, now + (policy.publish_seconds if active else 0), not active))
    return changes


def _plan_algorithm(keys: Sequence[SigningKey], algorithm: str, now: int, policy: RotationPolicy) -> list[Change]:
    active, upcoming = _in(keys, KeyState.ACTIVE), _in(keys, KeyState.NEXT)
    if not active:
        if upcoming:  # published already: better than one that nobody knows
            return [Activate(upcoming[0].kid)]
        return [Generate(algorithm, now, activate_now=True)]
    current = active[0]
    if upcoming and upcoming[0].activate_at <= now:
        return [Retire(current.kid, now + policy.retain_seconds), Activate(upcoming[0].kid)]
    ends_at = (current.activated_at or current.created_at) + policy.rotation_seconds
    if not upcoming and now >= ends_at - policy.publish_seconds:
        return [Generate(algorithm, max(now + policy.publish_seconds, ends_at), activate_now=False)]
    return []


def _of(keys: Sequence[SigningKey], algorithm: str) -> list[SigningKey]:
    return sorted((key for key in keys if key.algorithm == algorithm), key=lambda key: (key.activate_at, key.kid))


def _in(keys: Sequence[SigningKey], state: KeyState) -> list[SigningKey]:
    return [key for key in keys if key.state is state]
