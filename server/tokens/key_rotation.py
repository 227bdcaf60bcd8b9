"""Carrying out a rotation: the plan is `keys.rotation`'s, the rows are ours. Safe with any number of nodes."""

from collections.abc import Sequence

from sqlalchemy import Connection

from keys.generation import GeneratedKey, generate
from keys.keyset import KeySet
from keys.rotation import Activate, Change, Generate, Remove, Retire, RotationPolicy, plan, plan_manual
from keys.sealing import Sealer
from keys.signing_key import KeyState, KeyUse, SigningKey
from server.events.audit import record
from server.events.context import SYSTEM, Context
from server.events.names import Event
from server.settings import Settings
from server.storage import signing_keys
from server.storage.database import lock_for_transaction

LOCK_NUMBER = 0x05_71_A3
PROPAGATION_SECONDS = 60
"""What clocks and caches may be apart, beside the JWK Set's max-age."""
HINT_SECONDS = 2_592_000
"""A key stays published this long after its last signature, so that an `id_token_hint` can still be verified."""
DECRYPTION_SECONDS = 86_400
"""An old key for encryption works this long, beside the JWK Set's max-age: for clients that cache it for too long."""


def policy_of(settings: Settings) -> RotationPolicy:
    """Return the rotation policy that the settings describe."""
    longest = max(settings.access_token_seconds, settings.id_token_seconds, 86_400)
    return RotationPolicy(
        algorithms=settings.signing_algorithms,
        rotation_seconds=settings.key_rotation_seconds,
        publish_seconds=settings.jwks_cache_seconds + PROPAGATION_SECONDS,
        retain_seconds=max(longest, HINT_SECONDS) + PROPAGATION_SECONDS,
    )


def encryption_policy_of(settings: Settings) -> RotationPolicy:
    """Return the same for the keys that others encrypt to.

    A new one decrypts on every node before it is published; an old one leaves the JWK Set at once, but decrypts until
    no cache and no request object can know it any more.
    """
    return RotationPolicy(
        algorithms=settings.encryption_algorithms,
        rotation_seconds=settings.key_rotation_seconds,
        publish_seconds=PROPAGATION_SECONDS,
        retain_seconds=settings.jwks_cache_seconds + DECRYPTION_SECONDS,
        use=KeyUse.ENCRYPTION,
    )


def policy_for(use: KeyUse, settings: Settings) -> RotationPolicy:
    """Return the policy of the keys for one use."""
    return encryption_policy_of(settings) if use is KeyUse.ENCRYPTION else policy_of(settings)


def due_by_use(keys: Sequence[SigningKey], settings: Settings, now: int) -> dict[KeyUse, list[Change]]:
    """Return what is due for the keys of each use."""
    return {use: plan(keys, now, policy_for(use, settings)) for use in KeyUse}


def due(keys: Sequence[SigningKey], settings: Settings, now: int) -> list[Change]:
    """Return what is due for the keys of both uses."""
    return [change for changes in due_by_use(keys, settings, now).values() for change in changes]


def load(db: Connection, sealer: Sealer) -> KeySet:
    """Return a snapshot of the keys. Raises SealError where one cannot be unsealed."""
    return KeySet.load(signing_keys.list_keys(db), sealer)


def is_due(keys: Sequence[SigningKey], settings: Settings, now: int) -> bool:
    """Whether `rotate` would change anything."""
    return bool(due(keys, settings, now))


def prepare(changes: Sequence[Change], settings: Settings) -> list[GeneratedKey]:
    """Generate the key pairs that a plan asks for; slow for RSA, so before the transaction."""
    return [generate(c.algorithm, rsa_bits=settings.rsa_bits) for c in changes if isinstance(c, Generate)]


def rotate(db: Connection, sealer: Sealer, settings: Settings, fresh: Sequence[GeneratedKey], now: int) -> bool:
    """Bring the keys to where the policy wants them; whoever comes second finds nothing to do."""
    lock_for_transaction(db, LOCK_NUMBER)
    return _carry_out(db, sealer, due(signing_keys.list_keys(db), settings, now), fresh, SYSTEM, now)


def rotate_by_hand(
    db: Connection,
    sealer: Sealer,
    settings: Settings,
    fresh: Sequence[GeneratedKey],
    *,
    immediately: bool,
    context: Context,
    now: int,
    use: KeyUse = KeyUse.SIGNATURE,
) -> bool:
    """Begin a rotation for an operator: the new key signs after it was published, or at once in an emergency."""
    lock_for_transaction(db, LOCK_NUMBER)
    changes = plan_manual(signing_keys.list_keys(db), now, policy_for(use, settings), immediately=immediately)
    return _carry_out(db, sealer, changes, fresh, context, now)


def revoke(db: Connection, kid: str, *, context: Context, now: int) -> bool:
    """Take a leaked key out of use at once: nothing it signed verifies any more."""
    lock_for_transaction(db, LOCK_NUMBER)
    if not signing_keys.change(db, kid, state=KeyState.REVOKED.value, revoked_at=now):
        return False
    record(db, Event.KEY_REVOKED, context, now=now, kid=kid)
    return True


def _carry_out(
    db: Connection,
    sealer: Sealer,
    changes: Sequence[Change],
    fresh: Sequence[GeneratedKey],
    context: Context,
    now: int,
) -> bool:
    unused = list(fresh)
    for change in changes:
        match change:
            case Generate():
                key = next((k for k in unused if k.algorithm == change.algorithm), None)
                if key is None:
                    return False  # the keys changed since `prepare`: the next round does it
                unused.remove(key)
                _add(db, sealer, key, change, context, now)
            case Activate():
                signing_keys.change(db, change.kid, state=KeyState.ACTIVE.value, activated_at=now)
                record(db, Event.KEY_ACTIVATED, context, now=now, kid=change.kid)
            case Retire():
                signing_keys.change(
                    db, change.kid, state=KeyState.RETIRING.value, retired_at=now, remove_at=change.remove_at
                )
                record(db, Event.KEY_RETIRED, context, now=now, kid=change.kid)
            case Remove():
                signing_keys.remove(db, change.kid)
                record(db, Event.KEY_REMOVED, context, now=now, kid=change.kid)
    return bool(changes)


def _add(db: Connection, sealer: Sealer, key: GeneratedKey, change: Generate, context: Context, now: int) -> None:
    is_active = change.activate_now
    row = SigningKey(
        kid=key.kid,
        algorithm=key.algorithm,
        state=KeyState.ACTIVE if is_active else KeyState.NEXT,
        public_jwk=key.public_jwk,
        sealed_private=sealer.seal(key.private_der, context=f"signing_key:{key.kid}"),
        created_at=now,
        activate_at=change.activate_at,
        activated_at=now if is_active else None,
        retired_at=None,
        remove_at=None,
        revoked_at=None,
    )
    signing_keys.add(db, row)
    record(db, Event.KEY_GENERATED, context, now=now, kid=key.kid, algorithm=key.algorithm, state=row.state.value)
