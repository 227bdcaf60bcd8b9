"""Whatever is sealed under the root key, so that another root key can take its place."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from keys.sealing import Sealer, SealError
from keys.signing_key import KeyState
from server.grants import ciba
from server.mail.outbox import TOPIC, context_of
from server.protocol import client_secrets, pings
from server.storage import backchannel_requests, clients, outbox, server_secrets, signing_keys, totp_devices
from server.tokens import subjects


@dataclass(frozen=True, slots=True)
class Sealed:
    """One thing: what it is sealed as, in which context, and how a new seal takes the old one's place.

    `replace` returns whether it did; None where nobody else can have been there before.
    """

    text: str
    context: str
    replace: Callable[[str], int | None]


def reseal_all(root: Sealer, found: Iterable[Sealed], unreadable: list[str] | None = None) -> int:
    """Seal again what is not under the first root key yet, and return how many that were.

    What cannot be unsealed is left alone and told in `unreadable`. Raises SealError where that is None.
    """
    count = 0
    for one in found:
        if root.is_current(one.text):
            continue
        try:
            plain = root.unseal(one.text, context=one.context)
        except SealError as error:
            if unreadable is None:
                raise
            unreadable.append(str(error))
            continue
        replaced = one.replace(root.seal(plain, context=one.context))
        count += 1 if replaced is None else replaced
    return count


def _signing_keys(db: Connection) -> Iterator[Sealed]:
    for key in signing_keys.list_keys(db):
        if key.state is not KeyState.REVOKED:  # nobody needs the private half of that any more
            yield Sealed(key.sealed_private, f"signing_key:{key.kid}", partial(_replace_key, db, key.kid))


def _replace_key(db: Connection, kid: str, fresh: str) -> None:
    signing_keys.change(db, kid, sealed_private=fresh)


def _totp_devices(db: Connection) -> Iterator[Sealed]:
    for device in totp_devices.list_all(db):
        replace = partial(totp_devices.replace_sealed_secret, db, device["id"])
        yield Sealed(device["sealed_secret"], f"totp:{device['id']}", replace)


def _client_secrets(db: Connection) -> Iterator[Sealed]:
    for secret_id, sealed in clients.list_sealed_secrets(db):
        yield Sealed(
            sealed, client_secrets.context_of(secret_id), partial(clients.replace_sealed_secret, db, secret_id)
        )


def _server_secrets(db: Connection) -> Iterator[Sealed]:
    for name, sealed in server_secrets.list_all(db):
        yield Sealed(sealed, subjects.context_of(name), partial(server_secrets.replace_sealed, db, name))


def _outbox(db: Connection) -> Iterator[Sealed]:
    for topic in (TOPIC, pings.TOPIC):  # what the others hold is not sealed
        for item in outbox.list_items(db, topic):
            yield Sealed(item.sealed, context_of(item.id), partial(outbox.replace_sealed, db, item))


def _backchannel_requests(db: Connection) -> Iterator[Sealed]:
    for digest, sealed in backchannel_requests.list_sealed(db):
        replace = partial(backchannel_requests.replace_sealed, db, digest, sealed)
        yield Sealed(sealed, ciba.context_of(digest), replace)


SEALED: Mapping[str, Callable[[Connection], Iterator[Sealed]]] = {
    "signing_keys": _signing_keys,
    "totp_devices": _totp_devices,
    "client_secrets": _client_secrets,
    "server_secrets": _server_secrets,
    "outbox": _outbox,
    "backchannel_requests": _backchannel_requests,
}
"""What is sealed, by the table it is in."""
PASSING = frozenset({"outbox", "backchannel_requests"})
"""Of these the tables whose rows end by themselves: one that cannot be unsealed need not hold up the others."""
