"""The keys that others encrypt to: RFC 7517 section 4.2, OpenID Connect Core section 10.2.1."""

import pytest

from keys.generation import generate
from keys.signing_key import KeyState, KeyUse, SigningKey
from server.background import Background
from server.events.context import CLI
from server.storage import signing_keys
from server.tokens import key_rotation
from tests.support.confidant import ALGORITHMS
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.secret_request import accepted, encrypted_with, published, refused, signed
from tests.support.server import RunningServer

OVERRIDES = {"encryption_algorithms": ("ECDH-ES",)}  # one that is quickly made
ALL = pytest.mark.parametrize("overrides", [{"encryption_algorithms": ALGORITHMS}], indirect=True)


@ALL
async def test_each_is_published_for_encryption_alone(server: RunningServer) -> None:
    """RFC 7517 section 4.2: `use` is enc, a `kid` of its own, public members only."""
    keys = await published(server)
    assert sorted(key["alg"] for key in keys) == sorted(ALGORITHMS)
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {member for key in keys for member in key}
    signing = await published(server, "sig")
    assert len({key["kid"] for key in [*keys, *signing]}) == len(keys) + len(signing)


async def test_it_never_verifies_a_signature(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 8725 section 3.5: one key, one purpose."""
    ours = server.services.keys
    (key,) = await published(server)
    assert ours.verification_key(key["kid"]) is None
    assert ours.current.algorithms == ("RS256",)
    header, _ = await rp.verified((await rp.sign_in(person))["id_token"])
    assert header["kid"] != key["kid"]


async def test_it_is_sealed_at_rest(server: RunningServer) -> None:
    """The private half is readable with the root key alone, bound to its row."""
    (row,) = await rows(server)
    assert row.sealed_private.startswith("v1.")
    opened = server.services.sealer.unseal(row.sealed_private, context=f"signing_key:{row.kid}")
    assert opened not in row.sealed_private.encode()


async def test_after_a_rotation_the_old_one_decrypts_for_a_while(
    server: RunningServer, person: Person, jar: RelyingParty
) -> None:
    """OpenID Connect Core section 10.2.1: clients that cached the JWK Set go on."""
    (old,) = await published(server)
    await rotate(server)
    assert await published(server) == [old]  # every node learns the new one before clients do
    await advance(server, key_rotation.PROPAGATION_SECONDS + 1)
    (new,) = await published(server)
    assert new["kid"] != old["kid"]
    await accepted(person, jar, encrypted_with(old, signed(jar)))
    await accepted(person, jar, encrypted_with(new, signed(jar)))
    await advance(server, key_rotation.DECRYPTION_SECONDS + 3600)
    await refused(person, jar, encrypted_with(old, signed(jar)))
    await accepted(person, jar, encrypted_with(new, signed(jar)))
    assert len(await rows(server)) == 1


async def test_in_an_emergency_the_new_one_is_published_at_once(server: RunningServer) -> None:
    """`ostiary key rotate --use enc --now`, which leaves the keys that sign alone."""
    (old,) = await published(server)
    signing = await published(server, "sig")
    await rotate(server, immediately=True)
    (new,) = await published(server)
    assert new["kid"] != old["kid"]
    assert await published(server, "sig") == signing


async def test_a_revoked_one_decrypts_nothing_and_another_takes_its_place(
    server: RunningServer, person: Person, jar: RelyingParty
) -> None:
    """`ostiary key revoke`."""
    (old,) = await published(server)
    now = server.clock.now()
    await server.run(lambda db: key_rotation.revoke(db, old["kid"], context=CLI, now=now))
    await advance(server, 1)
    await refused(person, jar, encrypted_with(old, signed(jar)))
    (new,) = await published(server)
    await accepted(person, jar, encrypted_with(new, signed(jar)))


async def test_it_is_rotated_by_itself(server: RunningServer) -> None:
    """As the keys that sign are."""
    (old,) = await published(server)
    for _ in range(2):
        await advance(server, server.settings.key_rotation_seconds)
    assert old["kid"] not in {key["kid"] for key in await published(server)}
    assert [row.state for row in await rows(server) if row.state is KeyState.ACTIVE] == [KeyState.ACTIVE]


async def rows(server: RunningServer) -> list[SigningKey]:
    return [key for key in await server.run(signing_keys.list_keys) if key.use is KeyUse.ENCRYPTION]


async def rotate(server: RunningServer, *, immediately: bool = False) -> None:
    """Do what `ostiary key rotate --use enc` does."""
    settings, sealer, now = server.settings, server.services.sealer, server.clock.now()
    fresh = [generate(name) for name in settings.encryption_algorithms]
    await server.run(
        lambda db: key_rotation.rotate_by_hand(
            db, sealer, settings, fresh, immediately=immediately, context=CLI, now=now, use=KeyUse.ENCRYPTION
        )
    )
    await advance(server, 0)


async def advance(server: RunningServer, seconds: int) -> None:
    """Let time pass, and the server's background work be done."""
    server.clock.advance(seconds)
    background = Background(server.services)
    await background.rotate()
    await background.refresh()
