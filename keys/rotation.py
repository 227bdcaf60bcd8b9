"""When which key is made, signs, retires and goes: a pure function of keys, time and policy.

A new key is published before it signs for as long as a cache of the JWK Set may live; an old one stays published until
the last token it signed is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.signing_key import KeyState, KeyUse, SigningKey


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
    use: KeyUse = KeyUse.SIGNATURE
    """Which keys it is about; the others are left alone."""


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
    keys = [key for key in keys if key.use is policy.use]
    for algorithm in policy.algorithms:
        changes += _plan_algorithm(keys, algorithm, now, policy)
    for key in keys:
        if key.algorithm not in policy.algorithms:
            changes += _plan_foreign(key, now, policy)
        if key.state is KeyState.RETIRING and key.remove_at is not None and key.remove_at <= now:
            changes.append(Remove(key.kid))
    return changes


def _plan_foreign(key: SigningKey, now: int, policy: RotationPolicy) -> list[Change]:
    """Let a key of an algorithm that we do not use end with its term, and never before.

    We sign nothing with it, but another node may: one that was configured before us, or after us.
    """
    began_at = key.activate_at if key.activated_at is None else key.activated_at
    is_over = began_at + policy.rotation_seconds <= now
    if key.state is KeyState.ACTIVE and is_over:
        return [Retire(key.kid, now + policy.retain_seconds)]
    return [Remove(key.kid)] if key.state is KeyState.NEXT and is_over else []


def plan_manual(keys: Sequence[SigningKey], now: int, policy: RotationPolicy, *, immediately: bool) -> list[Change]:
    """Return what an operator's rotation does: a new key that signs once it was published, or at once.

    A key that waits already is the new key; in an emergency it goes as well, for it may have leaked with the other.
    """
    changes: list[Change] = []
    keys = [key for key in keys if key.use is policy.use]
    for algorithm in policy.algorithms:
        active, upcoming = _of(keys, algorithm, KeyState.ACTIVE), _of(keys, algorithm, KeyState.NEXT)
        if immediately:
            changes += [Remove(key.kid) for key in upcoming]
            changes += [Retire(key.kid, now + policy.retain_seconds) for key in active]
            changes.append(Generate(algorithm, now, activate_now=True))
        elif not upcoming:
            changes.append(Generate(algorithm, now + (policy.publish_seconds if active else 0), not active))
    return changes


def _plan_algorithm(keys: Sequence[SigningKey], algorithm: str, now: int, policy: RotationPolicy) -> list[Change]:
    active, upcoming = _of(keys, algorithm, KeyState.ACTIVE), _of(keys, algorithm, KeyState.NEXT)
    due = [key for key in upcoming if key.activate_at <= now]
    if active and not due:
        began_at = active[0].activate_at if active[0].activated_at is None else active[0].activated_at
        return [] if upcoming else _successor(algorithm, began_at, now, policy)
    changes: list[Change] = [Retire(key.kid, now + policy.retain_seconds) for key in active]
    if not upcoming:
        changes.append(Generate(algorithm, now, activate_now=True))
    else:  # where the active key was revoked, even before its time: some caches know it, and none knows a new one
        changes.append(Activate(upcoming[0].kid))
    # Where keys sign for no longer than they are published, the one after this is due at once.
    return changes + (_successor(algorithm, now, now, policy) if len(upcoming) < 2 else [])  # noqa: PLR2004  itself


def _successor(algorithm: str, began_at: int, now: int, policy: RotationPolicy) -> list[Change]:
    ends_at = began_at + policy.rotation_seconds
    if now < ends_at - policy.publish_seconds:
        return []
    return [Generate(algorithm, max(now + policy.publish_seconds, ends_at), activate_now=False)]


def _of(keys: Sequence[SigningKey], algorithm: str, state: KeyState) -> list[SigningKey]:
    ours = (key for key in keys if key.algorithm == algorithm and key.state is state)
    return sorted(ours, key=lambda key: (key.activate_at, key.kid))
