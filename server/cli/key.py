"""`ostiary key`: the signing keys."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from keys.rotation import plan, plan_manual
from keys.sealing import Sealer
from keys.signing_key import KeyState, SigningKey
from server.cli.running import Json, loaded, moment, now, print_record, print_rows, refuse, say, sealer, transact
from server.events.context import CLI
from server.mail.outbox import context_of
from server.storage import outbox, signing_keys, totp_devices
from server.tokens import key_rotation

app = typer.Typer(help="The keys that sign tokens.", no_args_is_help=True)
COLUMNS = ("kid", "algorithm", "state", "created", "activates", "retired", "removed_after")


def _row(key: SigningKey) -> dict[str, Any]:
    def when(seconds: int | None) -> str | None:
        return None if seconds is None else moment(seconds)

    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.value,
        "created": when(key.created_at),
        "activates": when(key.activated_at or key.activate_at),
        "retired": when(key.retired_at),
        "removed_after": when(key.remove_at),
        "created_at": key.created_at,
        "activate_at": key.activate_at,
        "activated_at": key.activated_at,
        "retired_at": key.retired_at,
        "remove_at": key.remove_at,
        "revoked_at": key.revoked_at,
    }


@app.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """List the keys: next, active, retiring, revoked."""
    print_rows([_row(key) for key in transact(signing_keys.list_keys)], COLUMNS, as_json=as_json)


@app.command()
def rotate(
    *,
    immediately: Annotated[
        bool, typer.Option("--now", help="Emergency: the new key signs at once, before caches know it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make new keys. They are published first and sign once every cache of the JWK Set has them."""
    settings = loaded().settings
    root = sealer(settings)
    at = now()
    changes = plan_manual(
        transact(signing_keys.list_keys, settings), at, key_rotation.policy_of(settings), immediately=immediately
    )
    if not as_json:
        say("Making new keys ...")
    fresh = key_rotation.prepare(changes, settings)

    def work(db: Connection) -> list[SigningKey]:
        key_rotation.rotate_by_hand(db, root, settings, fresh, immediately=immediately, context=CLI, now=at)
        return signing_keys.list_keys(db)

    print_rows([_row(key) for key in transact(work, settings)], COLUMNS, as_json=as_json)


@app.command()
def revoke(kid: Annotated[str, typer.Argument(help="The key's id.", metavar="KID")], *, as_json: Json = False) -> None:
    """Take a leaked key out of use at once: nothing it signed is valid any more. A new key takes its place."""

    def work(db: Connection) -> None:
        if not key_rotation.revoke(db, kid, context=CLI, now=now()):
            refuse(f"there is no key {kid}: `ostiary key list` shows them")

    settings = loaded().settings
    root = sealer(settings)
    transact(work, settings)
    at = now()
    policy = key_rotation.policy_of(settings)
    fresh = key_rotation.prepare(plan(transact(signing_keys.list_keys, settings), at, policy), settings)
    transact(lambda db: key_rotation.rotate(db, root, settings, fresh, at), settings)
    print_record({"kid": kid, "state": "revoked"}, as_json=as_json)


@app.command()
def reseal(*, as_json: Json = False) -> None:
    """Seal everything again under the first root key, so that the older ones can leave OSTIARY_SECRET_KEY.

    Safe to run again and beside running servers: what is sealed under the first key already is left alone.
    """
    settings = loaded().settings
    root = sealer(settings)

    def work(db: Connection) -> dict[str, int]:
        counts = {"signing_keys": 0, "totp_devices": 0, "outbox": 0}
        for key in signing_keys.list_keys(db):
            if key.state is KeyState.REVOKED:
                continue  # nobody needs its private half any more
            fresh = _resealed(root, key.sealed_private, f"signing_key:{key.kid}")
            if fresh is not None:
                signing_keys.change(db, key.kid, sealed_private=fresh)
                counts["signing_keys"] += 1
        for device in totp_devices.list_all(db):
            fresh = _resealed(root, device["sealed_secret"], f"totp:{device['id']}")
            if fresh is not None:
                totp_devices.replace_sealed_secret(db, device["id"], fresh)
                counts["totp_devices"] += 1
        for item in outbox.list_items(db):
            fresh = _resealed(root, item.sealed, context_of(item.id))
            if fresh is not None:
                counts["outbox"] += outbox.replace_sealed(db, item, fresh)
        return counts

    if not as_json:
        say("Sealing again ...")
    print_record(transact(work, settings), as_json=as_json)


def _resealed(root: Sealer, sealed: str, context: str) -> str | None:
    return None if root.is_current(sealed) else root.seal(root.unseal(sealed, context=context), context=context)
