import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from keys.sealing import Sealer
from server.accounts import lifecycle, passkeys
from server.accounts.passkeys import REGISTRATION, SECOND_FACTOR, SIGN_IN, Passkey, PasskeyError, Proof
from server.accounts.user import User
from server.events.names import Event
from server.settings import Settings
from server.storage import schema
from server.storage.database import Database
from tests.accounts.rows import CONTEXT, NOW, events
from tests.conftest import SettingsFor
from tests.support.authenticator import Authenticator, text_of

HERE = "oin_here"


@pytest.fixture
def settings(settings_for: SettingsFor) -> Settings:
    return settings_for()


class Ceremonies:
    """Runs both halves: what the server asks, what the device answers, what the server makes of it."""

    def __init__(self, database: Database, sealer: Sealer, settings: Settings) -> None:
        self.database, self.sealer, self.settings = database, sealer, settings

    @staticmethod
    def _refused(error: PasskeyError) -> str:
        assert error.message
        return error.reason

    async def offer(self, user: User, *, binding: str = HERE, now: int = NOW) -> dict[str, Any]:
        return await self.database.run(
            lambda db: passkeys.registration_options(db, self.settings, user, binding=binding, now=now)
        )

    async def store(self, user: User, credential: str, *, name: str = "", now: int = NOW) -> Passkey | str:
        def work(db: Any) -> Passkey | str:
            try:
                return passkeys.register(
                    db,
                    self.sealer,
                    self.settings,
                    user,
                    credential,
                    binding=HERE,
                    name=name,
                    context=CONTEXT,
                    now=now,
                )
            except PasskeyError as error:
                return self._refused(error)

        return await self.database.run(work)

    async def register(self, user: User, device: Authenticator, *, name: str = "") -> Passkey:
        made = await self.store(user, device.create(await self.offer(user)), name=name)
        assert isinstance(made, Passkey), made
        return made

    async def ask(self, user: User | None, *, binding: str = HERE, now: int = NOW) -> dict[str, Any]:
        if user is None:
            return await self.database.run(
                lambda db: passkeys.sign_in_options(db, self.settings, binding=binding, now=now)
            )
        return await self.database.run(
            lambda db: passkeys.second_factor_options(db, self.settings, user, binding=binding, now=now)
        )

    async def prove(
        self, credential: str, user: User | None = None, *, binding: str = HERE, now: int = NOW
    ) -> Proof | str:
        def work(db: Any) -> Proof | str:
            try:
                return passkeys.prove(
                    db,
                    self.settings,
                    credential,
                    purpose=SIGN_IN if user is None else SECOND_FACTOR,
                    binding=binding,
                    user_id=None if user is None else user.id,
                    context=CONTEXT,
                    now=now,
                )
            except PasskeyError as error:
                return self._refused(error)

        return await self.database.run(work)

    async def sign_in(self, device: Authenticator, **client_data: Any) -> Proof | str:
        return await self.prove(device.get(await self.ask(None), **client_data))


@pytest.fixture
def ceremonies(database: Database, sealer: Sealer, settings: Settings) -> Ceremonies:
    return Ceremonies(database, sealer, settings)


async def test_the_browser_is_asked_for_a_passkey_that_signs_in_alone(ceremonies: Ceremonies, ada: User) -> None:
    """WebAuthn Level 3 section 5.4."""
    options = await ceremonies.offer(ada)
    assert options["rp"] == {"name": "Ostiary", "id": "login.example.com"}
    assert len(base64.urlsafe_b64decode(options["challenge"] + "==")) == 32
    assert base64.urlsafe_b64decode(options["user"]["id"] + "==") == ada.id.encode()
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert (await ceremonies.offer(ada))["challenge"] != options["challenge"]


async def test_a_passkey_that_exists_is_not_made_again_on_the_same_device(ceremonies: Ceremonies, ada: User) -> None:
    device = Authenticator()
    await ceremonies.register(ada, device)
    excluded = (await ceremonies.offer(ada))["excludeCredentials"]
    assert excluded == [{"id": text_of(device.credentials[0].id), "type": "public-key", "transports": ["internal"]}]
    allowed = (await ceremonies.ask(ada))["allowCredentials"]
    assert [one["id"] for one in allowed] == [text_of(device.credentials[0].id)]


async def test_a_passkey_signs_in_alone_with_two_factors(ceremonies: Ceremonies, ada: User) -> None:
    """RFC 8176 section 2."""
    for device, method in ((Authenticator(), "hwk"), (Authenticator(is_synced=True, counts=False), "swk")):
        await ceremonies.register(ada, device)
        for _ in range(2):
            proof = await ceremonies.sign_in(device)
            assert isinstance(proof, Proof), proof
            assert (proof.user.id, proof.amr_alone) == (ada.id, (method, "user", "mfa"))


async def test_a_key_without_pin_or_fingerprint_signs_nobody_in_alone(ceremonies: Ceremonies, ada: User) -> None:
    device = Authenticator(is_verifying=False)
    await ceremonies.register(ada, device)
    assert (await ceremonies.ask(None))["userVerification"] == "required"
    assert await ceremonies.sign_in(device) == "not_verified"
    proof = await ceremonies.prove(device.get(await ceremonies.ask(ada)), ada)
    assert isinstance(proof, Proof)
    assert proof.amr_as_second == ("hwk", "mfa")


async def test_use_is_noted_and_audited(ceremonies: Ceremonies, database: Database, ada: User) -> None:
    device = Authenticator()
    made = await ceremonies.register(ada, device)
    listed = await database.run(lambda db: passkeys.list_of_user(db, ada.id))
    assert [(one.id, one.last_used_at) for one in listed] == [(made.id, None)]
    await ceremonies.sign_in(device)
    listed = await database.run(lambda db: passkeys.list_of_user(db, ada.id))
    assert listed[0].last_used_at == NOW
    added = await database.run(lambda db: events(db, Event.PASSKEY_ADDED))
    assert [one["passkey_id"] for one in added] == [made.id]


async def test_a_passkey_has_a_name(ceremonies: Ceremonies, ada: User) -> None:
    apple = Authenticator(aaguid=bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd"))
    assert (await ceremonies.register(ada, Authenticator())).name == "Passkey 1"
    assert (await ceremonies.register(ada, Authenticator(), name="  Ada's\n phone ")).name == "Ada's phone"
    assert (await ceremonies.register(ada, Authenticator(transports=("usb", "nfc")))).name == "Security key"
    assert (await ceremonies.register(ada, apple)).name == "Apple Passwords"
    assert (await ceremonies.register(ada, apple)).name == "Apple Passwords 5"


async def test_several_passkeys_are_told_apart_renamed_and_removed(
    ceremonies: Ceremonies, database: Database, ada: User, grace: User
) -> None:
    first, second = Authenticator(), Authenticator()
    made = [await ceremonies.register(ada, device) for device in (first, second)]
    assert [one.name for one in made] == ["Passkey 1", "Passkey 2"]
    assert not await database.run(lambda db: passkeys.rename(db, grace.id, made[0].id, "Mine"))
    assert not await database.run(lambda db: passkeys.rename(db, ada.id, made[0].id, " \n"))
    assert await database.run(lambda db: passkeys.rename(db, ada.id, made[0].id, "Phone"))
    remove = passkeys.remove
    assert not await database.run(lambda db: remove(db, grace.id, made[0].id, context=CONTEXT, now=NOW))
    assert await database.run(lambda db: remove(db, ada.id, made[1].id, context=CONTEXT, now=NOW))
    assert [one.name for one in await database.run(lambda db: passkeys.list_of_user(db, ada.id))] == ["Phone"]
    assert await ceremonies.sign_in(second) == "unknown_passkey"
    assert isinstance(await ceremonies.sign_in(first), Proof)


async def test_an_answer_from_another_origin_is_refused(ceremonies: Ceremonies, ada: User) -> None:
    """WebAuthn Level 3 sections 7.1 step 9 and 7.2 step 12."""
    honest = Authenticator()
    await ceremonies.register(ada, honest)
    for origin in ("https://evil.example", "https://login.example.com:444", "http://login.example.com", "null"):
        device = Authenticator(origin=origin)
        assert "origin" in str(await ceremonies.store(ada, device.create(await ceremonies.offer(ada))))
        honest.origin = origin
        assert "origin" in str(await ceremonies.sign_in(honest))


async def test_a_frame_of_another_site_and_another_relying_party_are_refused(ceremonies: Ceremonies, ada: User) -> None:
    device = Authenticator()
    await ceremonies.register(ada, device)
    assert await ceremonies.sign_in(device, crossOrigin=True) == "cross-origin"
    options = await ceremonies.ask(None)
    assert "RP ID" in str(await ceremonies.prove(device.get({**options, "rpId": "example.com"})))
    options = await ceremonies.ask(None)
    assert "type" in str(await ceremonies.prove(device.get(options, type="webauthn.create")))


async def test_another_person_s_passkey_is_no_second_factor(ceremonies: Ceremonies, ada: User, grace: User) -> None:
    hers = Authenticator()
    await ceremonies.register(grace, hers)
    assert await ceremonies.prove(hers.get(await ceremonies.ask(ada)), ada) == "unknown_passkey"


async def test_a_user_handle_of_another_person_is_refused(ceremonies: Ceremonies, ada: User, grace: User) -> None:
    """WebAuthn Level 3 section 7.2 step 6."""
    device = Authenticator()
    await ceremonies.register(ada, device)
    device.credentials[0].user_handle = grace.id.encode()
    assert await ceremonies.sign_in(device) == "user handle"


async def test_a_signature_of_another_key_is_refused(ceremonies: Ceremonies, ada: User) -> None:
    device, thief = Authenticator(), Authenticator()
    await ceremonies.register(ada, device)
    thief.create(await ceremonies.offer(ada))
    thief.credentials[0].id = device.credentials[0].id
    assert "signature" in str(await ceremonies.sign_in(thief))


async def test_a_challenge_is_bound_to_its_page_its_purpose_its_person_and_its_time(
    ceremonies: Ceremonies, ada: User, grace: User, settings: Settings
) -> None:
    device = Authenticator()
    await ceremonies.register(ada, device)
    elsewhere = await ceremonies.ask(None, binding="oin_elsewhere")
    assert await ceremonies.prove(device.get(elsewhere)) == "challenge"
    assert await ceremonies.prove(device.get(await ceremonies.ask(ada))) == "challenge"
    assert await ceremonies.prove(device.get(await ceremonies.ask(None)), ada) == "challenge"
    assert await ceremonies.prove(device.get(await ceremonies.ask(grace)), ada) == "challenge"
    late = NOW + settings.interaction_seconds
    assert await ceremonies.prove(device.get(await ceremonies.ask(None)), now=late) == "challenge"
    own = {**(await ceremonies.ask(None)), "challenge": text_of(bytes(32))}
    assert await ceremonies.prove(device.get(own)) == "challenge"
    offered = await ceremonies.offer(grace)
    assert await ceremonies.store(ada, device.create(offered)) == "challenge"
    signing = {**(await ceremonies.offer(ada)), "challenge": (await ceremonies.ask(None))["challenge"]}
    assert await ceremonies.store(ada, device.create(signing)) == "challenge"
    assert REGISTRATION != SIGN_IN


async def test_one_answer_sent_many_times_at_once_counts_once(ceremonies: Ceremonies, ada: User) -> None:
    device = Authenticator(counts=False)
    await ceremonies.register(ada, device)
    answer = device.get(await ceremonies.ask(None))
    results = await asyncio.gather(*(ceremonies.prove(answer) for _ in range(16)))
    assert sum(isinstance(result, Proof) for result in results) == 1
    assert sorted(str(result) for result in results if not isinstance(result, Proof)) == ["challenge"] * 15
    made = device.create(await ceremonies.offer(ada))
    stored = await asyncio.gather(*(ceremonies.store(ada, made) for _ in range(8)))
    assert sum(isinstance(result, Passkey) for result in stored) == 1


async def test_a_credential_belongs_to_one_person(
    ceremonies: Ceremonies, database: Database, ada: User, grace: User
) -> None:
    """WebAuthn Level 3 section 7.1 step 26."""
    device = Authenticator()
    await ceremonies.register(ada, device)
    known = device.credentials[0].id
    options = await ceremonies.offer(grace)
    answer = json.loads(device.create(options))
    made = device.credentials[-1].id
    raw = base64.urlsafe_b64decode(answer["response"]["attestationObject"] + "==")
    answer["response"]["attestationObject"] = text_of(raw.replace(made, known))
    answer["id"] = answer["rawId"] = text_of(known)
    assert await ceremonies.store(grace, json.dumps(answer)) == "known_credential"
    assert await database.run(lambda db: passkeys.list_of_user(db, grace.id)) == []


async def test_a_counter_that_went_back_is_refused_and_audited(
    ceremonies: Ceremonies, database: Database, ada: User
) -> None:
    """WebAuthn Level 3 section 6.1.1."""
    device = Authenticator(sign_count=40)
    made = await ceremonies.register(ada, device)
    assert isinstance(await ceremonies.sign_in(device), Proof)
    for copy in (20, -1):
        device.sign_count = copy
        assert await ceremonies.sign_in(device) == "counter_regressed"
    recorded = await database.run(lambda db: events(db, Event.PASSKEY_COUNTER_REGRESSED))
    assert recorded[1] == {"passkey_id": made.id, "stored": 42, "presented": 21}
    device.sign_count = 50
    assert isinstance(await ceremonies.sign_in(device), Proof)


async def test_disabled_and_deleted_people_are_refused(
    ceremonies: Ceremonies, database: Database, sealer: Sealer, ada: User, grace: User
) -> None:
    mine, hers = Authenticator(), Authenticator()
    await ceremonies.register(ada, mine)
    await ceremonies.register(grace, hers)
    await database.run(lambda db: lifecycle.disable(db, ada, context=CONTEXT, now=NOW))
    assert await ceremonies.sign_in(mine) == "disabled_account"
    await database.run(
        lambda db: lifecycle.delete(db, grace, grace_seconds=60, sealer=sealer, context=CONTEXT, now=NOW)
    )
    assert await ceremonies.sign_in(hers) == "disabled_account"


async def test_a_reset_takes_passkeys_away(ceremonies: Ceremonies, database: Database, ada: User) -> None:
    device = Authenticator()
    await ceremonies.register(ada, device)
    assert await database.run(lambda db: lifecycle.reset_mfa(db, ada, context=CONTEXT, now=NOW)) == 1
    assert await ceremonies.sign_in(device) == "unknown_passkey"


async def test_passkeys_of_one_person_are_limited(ceremonies: Ceremonies, ada: User) -> None:
    device = Authenticator()
    for _ in range(passkeys.MAX_PASSKEYS):
        await ceremonies.register(ada, device)
    assert await ceremonies.store(ada, device.create(await ceremonies.offer(ada))) == "too_many"


def _broken(member: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(answer: dict[str, Any]) -> object:
        where = answer if member in answer else answer["response"]
        where[member] = value
        return answer

    return change


CHANGES: tuple[Callable[[dict[str, Any]], object], ...] = (
    lambda _: "x",
    lambda _: [],
    lambda _: {"response": 3},
    lambda _: {"response": {"clientDataJSON": 3}},
    lambda _: {"response": {"clientDataJSON": text_of(b"\xff")}},
    lambda _: {"response": {"clientDataJSON": text_of(b'"x"')}},
    lambda _: {"response": {"clientDataJSON": text_of(b"[" * 9000)}},
    _broken("authenticatorData", ""),
    _broken("authenticatorData", text_of(bytes(37))),
    _broken("authenticatorData", 7),
    _broken("signature", ""),
    _broken("signature", None),
    _broken("userHandle", 7),
    _broken("userHandle", "\ud800"),
    _broken("id", None),
    _broken("id", "\ud800"),
    _broken("id", "\0"),
    _broken("rawId", "é"),
    _broken("type", "password"),
)


async def test_what_is_no_answer_is_refused(ceremonies: Ceremonies, ada: User) -> None:
    device = Authenticator()
    await ceremonies.register(ada, device)
    for change in CHANGES:
        answer = json.loads(device.get(await ceremonies.ask(None)))
        assert isinstance(await ceremonies.prove(json.dumps(change(answer))), str)
    assert isinstance(await ceremonies.sign_in(device), Proof)


async def test_what_is_no_passkey_is_refused(ceremonies: Ceremonies, ada: User) -> None:
    deep = text_of(b"\xbf" + b"\x9f" * 2000)
    for attestation in ("", text_of(b"\xa1\xa1"), text_of(b"\x9f" * 5000), deep, 7, None):
        answer = json.loads(Authenticator().create(await ceremonies.offer(ada)))
        answer["response"]["attestationObject"] = attestation
        assert isinstance(await ceremonies.store(ada, json.dumps(answer)), str)


async def test_no_challenge_is_stored_in_clear(ceremonies: Ceremonies, database: Database, ada: User) -> None:
    options = await ceremonies.ask(ada)
    rows = await database.run(lambda db: db.execute(select(schema.one_time)).mappings().all())
    assert options["challenge"] not in str([dict(row) for row in rows])


def test_passkeys_need_a_host_name() -> None:
    """WebAuthn Level 3 section 5.1.3 step 7."""

    def is_available(**values: object) -> bool:
        return passkeys.is_available(Settings.model_validate(values))

    assert is_available(issuer="http://localhost:8000")
    assert is_available(issuer="https://login.example.com/path")
    assert not is_available(issuer="http://127.0.0.1:8000")
    assert not is_available(issuer="http://localhost:8000", passkeys=False)
