"""`ostiary key`: the keys that sign, and those that others encrypt to."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from keys.rotation import plan_manual
from keys.sealing import SealError
from keys.signing_key import KeyUse, SigningKey
from server.cli.key_reseal import PASSING, SEALED, reseal_all
from server.cli.running import Json, loaded, moment, now, print_record, print_rows, refuse, say, sealer, transact
from server.events.context import CLI
from server.storage import server_secrets, signing_keys
from server.tokens import key_rotation, subjects

app = typer.Typer(help="The keys that sign tokens, and those that others encrypt to.", no_args_is_help=True)
COLUMNS = ("kid", "use", "algorithm", "state", "created", "activates", "retired", "removed_after")


def _row(key: SigningKey) -> dict[str, Any]:
    def when(seconds: int | None) -> str | None:
        return None if seconds is None else moment(seconds)

    return {
        "kid": key.kid,
        "use": key.use.value,
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
    use: Annotated[
        KeyUse, typer.Option(help="Which keys: sig, those that sign; enc, those that clients encrypt to.")
    ] = KeyUse.SIGNATURE,
    as_json: Json = False,
) -> None:
    """Make new keys. They are published first and sign once every cache of the JWK Set has them.

    Keys for encryption take over within a minute; an old one still decrypts for a day.
    """
    settings = loaded().settings
    root = sealer(settings)
    at = now()
    changes = plan_manual(
        transact(signing_keys.list_keys, settings), at, key_rotation.policy_for(use, settings), immediately=immediately
    )
    if not as_json:
        say("Making new keys ...")
    fresh = key_rotation.prepare(changes, settings)

    def work(db: Connection) -> list[SigningKey]:
        key_rotation.rotate_by_hand(db, root, settings, fresh, immediately=immediately, context=CLI, now=at, use=use)
        return signing_keys.list_keys(db)

    print_rows([_row(key) for key in transact(work, settings)], COLUMNS, as_json=as_json)


# One id in 64 begins with a hyphen, and is no option.
@app.command(context_settings={"ignore_unknown_options": True})
def revoke(kid: Annotated[str, typer.Argument(help="The key's id.", metavar="KID")], *, as_json: Json = False) -> None:
    """Take a leaked key out of use at once: nothing it signed is valid any more. A new key takes its place.

    A key for encryption decrypts nothing any more.
    """

    def work(db: Connection) -> None:
        if not key_rotation.revoke(db, kid, context=CLI, now=now()):
            refuse(f"there is no key {kid}: `ostiary key list` shows them")

    settings = loaded().settings
    root = sealer(settings)
    transact(work, settings)
    at = now()
    due = key_rotation.due(transact(signing_keys.list_keys, settings), settings, at)
    fresh = key_rotation.prepare(due, settings)
    transact(lambda db: key_rotation.rotate(db, root, settings, fresh, at), settings)
    print_record({"kid": kid, "state": "revoked"}, as_json=as_json)


@app.command("renew-subjects")
def renew_subjects(*, as_json: Json = False) -> None:
    """Give up the secret of the pairwise identifiers, because the root key that sealed it is lost for good.

    Every client with subject_type pairwise takes everybody for somebody new. Refused while the secret can be read.
    """
    settings = loaded().settings
    root, at = sealer(settings), now()

    def work(db: Connection) -> None:
        try:
            subjects.ensure_secret(db, root, at)
        except SealError:
            server_secrets.remove(db, subjects.NAME)
            subjects.ensure_secret(db, root, at)
        else:
            refuse("the secret can be read: nothing is lost, so nothing is given up")

    transact(work, settings)
    print_record({"secret": subjects.NAME, "state": "new"}, as_json=as_json)


@app.command()
def reseal(*, as_json: Json = False) -> None:
    """Seal everything again under the first root key, so that the older ones can leave OSTIARY_SECRET_KEY.

    Safe to run again and beside running servers: what is sealed under the first key already is left alone. So is a
    waiting mail, ping or backchannel request that cannot be unsealed: it is named, and the exit code is 1.
    """
    settings = loaded().settings
    root = sealer(settings)
    unreadable: list[str] = []

    def work(db: Connection) -> dict[str, int]:
        return {
            name: reseal_all(root, found(db), unreadable if name in PASSING else None) for name, found in SEALED.items()
        }

    if not as_json:
        say("Sealing again ...")
    print_record(transact(work, settings), as_json=as_json)
    for problem in unreadable:
        say(problem)
    if unreadable:
        refuse(
            f"{len(unreadable)} rows stay as they are, and all others are sealed again: add their root key to "
            "OSTIARY_SECRET_KEY and run this again, or do without them: they end by themselves within days"
        )
