"""Pairwise subject identifiers: OpenID Connect Core section 8."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from clients.client import Client
from clients.metadata import InvalidClientMetadata, validate
from keys.sealing import Sealer, generate_root_key, parse_root_keys
from server.accounts.user import User
from server.cli.key_reseal import SEALED, reseal_all
from server.storage import sessions
from server.storage.database import Database
from server.storage.resources import Resource
from server.tokens import subjects
from tests.conftest import SettingsFor
from tests.keys.material import key_pair, signer
from tests.support.person import Person
from tests.support.receiver import Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import FakeClock, RunningServer

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
API = "https://api.example/"
PAIRWISE: dict[str, Any] = {"subject_type": "pairwise"}
CODE = {"redirect_uris": ["https://client.example/cb"], **PAIRWISE}
SERVICE: dict[str, Any] = {"grant_types": [DEVICE], "response_types": [], **PAIRWISE}


async def _client(server: RunningServer, client_id: str, host: str = "client.example", **metadata: Any) -> RelyingParty:
    uri = f"https://{host}/{client_id}"
    secret = await server.add_client(client_id, redirect_uris=[uri], **{**PAIRWISE, **metadata})
    return RelyingParty(server, client_id, secret, redirect_uri=uri)


@pytest.fixture
async def alice(server: RunningServer) -> User:
    return await server.add_person()


@pytest.fixture
async def person(server: RunningServer, alice: User) -> Person:
    """Alice's browser."""
    return Person(server, email=alice.email)


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    """A client that knows people by pairwise identifiers."""
    return await _client(server, "web")


async def _subject(rp: RelyingParty, tokens: dict[str, Any]) -> str:
    """Return the `sub` of the tokens, which is the same in all of them."""
    found = {(await rp.verified(tokens[name]))[1]["sub"] for name in ("access_token", "id_token") if name in tokens}
    assert len(found) == 1
    return str(found.pop())


async def _sid(rp: RelyingParty, tokens: dict[str, Any]) -> str:
    return str((await rp.verified(tokens["id_token"]))[1]["sid"])


async def test_discovery_names_both_subject_types(server: RunningServer) -> None:
    """OpenID Connect Discovery section 3."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["subject_types_supported"] == ["public", "pairwise"]


async def test_nothing_that_a_pairwise_client_gets_holds_the_public_id(
    server: RunningServer, person: Person, alice: User, rp: RelyingParty
) -> None:
    """Section 8.1: everywhere the same opaque identifier, and nowhere the other one."""
    tokens = await rp.sign_in(person, claims=json.dumps({"id_token": {"email": None, "sub": None}}))
    fresh = (await rp.refresh(tokens["refresh_token"])).json()
    seen: list[Any] = [person.left_for, tokens, fresh]
    for token in (tokens["access_token"], tokens["id_token"], fresh["access_token"], fresh["id_token"]):
        seen += await rp.verified(token)
    userinfo = (await rp.userinfo(fresh["access_token"])).json()
    about_access = (await rp.post("/introspect", token=fresh["access_token"])).json()
    about_refresh = (await rp.post("/introspect", token=fresh["refresh_token"])).json()
    async with server.http(headers={"authorization": f"Bearer {fresh['access_token']}"}) as http:
        account = (await http.get("/api/auth/me")).json()
    sub = await _subject(rp, tokens)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", sub)
    assert sub == await _subject(rp, fresh) == userinfo["sub"] == about_access["sub"] == about_refresh["sub"]
    assert account["id"] == sub
    assert "username" not in about_access, "a name would undo it"
    assert userinfo["email"] == alice.email
    text = json.dumps([*seen, userinfo, about_access, about_refresh, account])
    assert alice.id not in text


async def test_a_sector_shares_its_identifiers_and_another_has_others(
    server: RunningServer, person: Person, alice: User, rp: RelyingParty
) -> None:
    """Section 8.1: the host is the sector. Public clients keep the public identifier."""
    sister = await _client(server, "sister")
    stranger = await _client(server, "stranger", "other.example")
    public = await _client(server, "public", "third.example", subject_type="public")
    found = [await _subject(each, await each.sign_in(person)) for each in (rp, sister, stranger, public)]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert found[3] == alice.id


async def test_people_differ_within_a_sector(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 8: never reassigned, never shared."""
    await server.add_person("bob@example.com")
    async with Person(server, email="bob@example.com") as bob:
        assert await _subject(rp, await rp.sign_in(bob)) != await _subject(rp, await rp.sign_in(person))


@pytest.mark.parametrize("overrides", [{"response_types": ("code", "code id_token token")}], indirect=True)
async def test_the_front_channel_gives_the_pairwise_identifier(
    server: RunningServer, person: Person, alice: User
) -> None:
    """Sections 3.3.2 and 8."""
    hybrid = await _client(
        server,
        "hybrid",
        response_types=["code", "code id_token token"],
        grant_types=["authorization_code", "implicit"],
    )
    code = await hybrid.code_for(person, response_type="code id_token token")
    answer = person.answer()
    sub = await _subject(hybrid, answer)
    assert sub == await _subject(hybrid, (await hybrid.redeem(code)).json())
    assert alice.id not in str(person.left_for)
    assert (await hybrid.userinfo(answer["access_token"])).json()["sub"] == sub


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_the_logout_token_names_the_pairwise_identifier(
    server: RunningServer, person: Person, alice: User
) -> None:
    """Back-Channel Logout section 2.4."""
    async with Receiver() as receiver:
        rp = await _client(server, "web", backchannel_logout_uri=f"{receiver.origin}/bye")
        tokens = await rp.sign_in(person)
        await person.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"]}))
        assert person.title == "Signed out"
        request = (await receiver.wait_for(1))[0]
    _, claims = await rp.verified(request.form["logout_token"])
    assert claims["sub"] == await _subject(rp, tokens)
    assert claims["sid"] == await _sid(rp, tokens)
    assert alice.id not in json.dumps(claims)


async def test_a_sign_in_has_another_sid_in_each_sector(
    server: RunningServer, person: Person, alice: User, rp: RelyingParty
) -> None:
    """Section 8.1: two clients that compare what they got must not find that they speak of the same person."""
    sister = await _client(server, "sister")
    stranger = await _client(server, "stranger", "other.example")
    public = await _client(server, "public", "third.example", subject_type="public")
    found = [await _sid(each, await each.sign_in(person)) for each in (rp, sister, stranger, public)]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert await server.run(lambda db: sessions.find_owner(db, found[3])) == alice.id
    owners = await server.run(lambda db: [sessions.find_owner(db, sid) for sid in found[:3]])
    assert owners == [None] * 3
    assert await _sid(rp, await rp.sign_in(person)) == found[0], "it is the same as long as the sign-in"


async def test_a_frame_of_the_last_page_names_the_sid_of_its_sector(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Front-Channel Logout section 3."""
    other = await _client(server, "other", "other.example", frontchannel_logout_uri="https://other.example/out")
    tokens = await rp.sign_in(person)
    theirs = await _sid(other, await other.sign_in(person))
    await person.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"]}))
    assert person.title == "Signed out"
    assert re.findall(r"sid=([A-Za-z0-9_-]+)", person.response.text) == [theirs]


async def test_a_sid_counts_in_its_own_sector_alone(server: RunningServer) -> None:
    """What another sector knows, what is cut short, and what is no text name no sign-in."""
    known = server.services.subjects
    sid = known.sid_of("client.example", "ses_1")
    assert known.session_of("client.example", sid) == "ses_1"
    for sector, name in (("other.example", sid), ("client.example", sid[:-1]), ("client.example", "ses_1")):
        assert known.session_of(sector, name) is None
    assert known.session_of("client.example", sid + "=") is None
    assert known.session_of(None, 5) is None


async def test_its_id_token_hint_is_recognised(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """Section 3.1.2.1: the hint names who the answer must be about."""
    tokens = await rp.sign_in(person)
    await person.visit(rp.url(prompt="none", id_token_hint=tokens["id_token"]))
    assert "code" in person.answer()
    await server.add_person("bob@example.com")
    async with Person(server, email="bob@example.com") as bob:
        await rp.sign_in(bob)
        await bob.visit(rp.url(prompt="none", id_token_hint=tokens["id_token"]))
        assert bob.answer()["error"] == "login_required"


async def test_a_demanded_sub_is_the_pairwise_one(person: Person, alice: User, rp: RelyingParty) -> None:
    """Section 5.5.1: the public identifier means nobody to this client."""
    sub = await _subject(rp, await rp.sign_in(person))
    for wanted, member in ((sub, "code"), (alice.id, "error")):
        claims = json.dumps({"id_token": {"sub": {"value": wanted}}})
        await person.visit(rp.url(prompt="none", claims=claims))
        assert member in person.answer()


async def test_signing_out_by_a_hint_works_for_a_sign_in_that_lay_idle(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RP-Initiated Logout section 2."""
    tokens = await rp.sign_in(person)
    server.clock.advance(2000)
    fresh = (await rp.refresh(tokens["refresh_token"])).json()
    await person.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"]}))
    assert person.title == "Signed out"
    assert (await rp.refresh(fresh["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_device_gets_the_identifier_of_its_sector(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 8628 with section 8."""
    secret = await server.add_client(
        "television",
        grant_types=[DEVICE, "authorization_code"],
        redirect_uris=["https://client.example/tv"],
        **PAIRWISE,
    )
    television = RelyingParty(server, "television", secret)
    codes = (await television.post("/device_authorization", scope="openid profile")).json()
    sub = await _subject(rp, await rp.sign_in(person))
    await person.visit("/device")
    await person.submit(user_code=codes["user_code"])
    await person.consent()
    tokens = (await television.post("/token", grant_type=DEVICE, device_code=codes["device_code"])).json()
    assert await _subject(television, tokens) == sub


async def test_an_exchanged_token_names_the_person_as_its_own_client_knows_them(
    server: RunningServer, person: Person, alice: User, rp: RelyingParty
) -> None:
    """RFC 8693: neither the first client's identifier nor the public one goes on, in `act` either."""
    known = Resource(API, scopes=("profile",), allow_exchange_from=("backend", "middle"), served_by=("backend",))
    await server.add_resources(known)
    grants = ["authorization_code", EXCHANGE]
    backend = await _client(server, "backend", "backend.example", grant_types=grants)
    middle = await _client(server, "middle", "m.example", subject_type="public", grant_types=grants)
    subject, actor = await rp.sign_in(person), await middle.sign_in(person)

    async def exchange(by: RelyingParty, token: str, **form: str) -> dict[str, Any]:
        values = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": API, **form}
        response = await by.post("/token", grant_type=EXCHANGE, **values)
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        return told

    acting = {"actor_token": actor["access_token"], "actor_token_type": ACCESS_TOKEN}
    passed_on = await exchange(middle, subject["access_token"], **acting)
    _, claims = await middle.verified(passed_on["access_token"])
    assert (claims["sub"], claims["act"]["sub"]) == (alice.id, alice.id)
    _, claims = await backend.verified((await exchange(backend, passed_on["access_token"]))["access_token"])
    expected = await _subject(backend, await backend.sign_in(person))
    assert (claims["sub"], claims["act"]["sub"]) == (expected, expected)
    assert alice.id not in json.dumps(claims)


async def test_a_token_by_assertion_names_the_pairwise_identifier(
    server: RunningServer, person: Person, alice: User, rp: RelyingParty
) -> None:
    """RFC 7523 section 2.1: the issuer must know the person; the client that presents it need not."""
    await server.add_client(
        "crm",
        grant_types=[JWT_BEARER],
        response_types=[],
        redirect_uris=[],
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key_pair().public_jwk]},
        jwt_bearer_subjects=["*"],
    )
    reader = await _client(server, "reader", grant_types=["authorization_code", JWT_BEARER], jwt_bearer_issuers=["crm"])
    now = server.clock.now()
    claims = {"iss": "crm", "sub": alice.id, "aud": server.issuer, "iat": now, "exp": now + 60, "jti": "1"}
    response = await reader.post("/token", grant_type=JWT_BEARER, assertion=signer().sign(claims, typ="JWT"))
    assert response.status_code == 200, response.text
    assert await _subject(reader, response.json()) == await _subject(rp, await rp.sign_in(person))


async def test_a_resource_server_sees_what_the_token_says(
    server: RunningServer, person: Person, alice: User, rp: RelyingParty
) -> None:
    """RFC 7662 section 2.2: its own sector does not matter."""
    tokens = await rp.sign_in(person)
    secret = await server.add_service("api", may_introspect=True)
    told = (await RelyingParty(server, "api", secret).post("/introspect", token=tokens["access_token"])).json()
    assert told["sub"] == await _subject(rp, tokens)
    assert alice.id not in json.dumps(told)
    assert "username" not in told


async def test_it_survives_new_root_keys(clock: FakeClock, database: Database) -> None:
    """Section 8: never reassigned. `ostiary key reseal` seals the secret again, and once."""
    old, new = generate_root_key(), generate_root_key()
    before, both, after = (Sealer(parse_root_keys(keys)) for keys in (old, f"{new},{old}", new))
    secret = await database.run(lambda db: subjects.ensure_secret(db, before, clock.now()))
    assert await database.run(lambda db: reseal_all(both, SEALED["server_secrets"](db))) == 1
    assert await database.run(lambda db: reseal_all(both, SEALED["server_secrets"](db))) == 0
    assert await database.run(lambda db: subjects.ensure_secret(db, after, clock.now())) == secret


async def test_it_survives_a_restart(settings_for: SettingsFor, clock: FakeClock) -> None:
    settings, found = settings_for(), set()
    for _ in range(2):
        async with RunningServer(settings, clock) as server:
            client = Client("web", validate(CODE), (), disabled=False, created_at=0)
            found.add(server.services.subject_of(client, "usr_somebody"))
    assert len(found) == 1


async def test_nodes_that_start_together_make_one_secret(clock: FakeClock, database: Database) -> None:
    sealer = Sealer(parse_root_keys(generate_root_key()))

    async def start() -> bytes:
        return await database.run(lambda db: subjects.ensure_secret(db, sealer, clock.now()))

    assert len(set(await asyncio.gather(*(start() for _ in range(10))))) == 1


@pytest.mark.parametrize(
    ("metadata", "cause"),
    [
        ({**CODE, "redirect_uris": ["https://a.example/cb", "https://b.example/cb"]}, "several hosts"),
        ({**CODE, "redirect_uris": ["com.example.app:/cb"], "application_type": "native"}, "no host"),
        ({**CODE, "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native"}, "no host"),
        ({**CODE, "redirect_uris": ["com.evil.app://client.example/cb"], "application_type": "native"}, "no host"),
        ({**CODE, "redirect_uris": ["https://client.example/cb", "http://localhost/cb"]}, "several hosts"),
        ({**CODE, "redirect_uris": ["http://localhost/cb"]}, "no host"),
        ({**CODE, "redirect_uris": ["http://127.0.0.1:3000/cb"]}, "no host"),
        ({**CODE, "redirect_uris": ["https://127.0.0.2/cb"]}, "no host"),
        ({**CODE, "redirect_uris": ["https://127.1/cb"]}, "no host"),
        ({**CODE, "redirect_uris": ["https://app.localhost./cb"]}, "no host"),
        ({**CODE, "scope": "openid account"}, "public id"),
        ({**CODE, "sector_identifier_uri": "http://localhost/s.json"}, "https"),
        (SERVICE, "jwks_uri"),
        ({**SERVICE, "jwks_uri": "https://victim.example/jwks"}, "jwks_uri"),
    ],
)
def test_metadata_without_a_sector_is_refused(metadata: dict[str, Any], cause: str) -> None:
    """Section 8.1; a jwks_uri whose keys nobody proves to have could be that of another sector."""
    with pytest.raises(InvalidClientMetadata, match=cause):
        validate(metadata)


def test_a_client_without_redirect_uris_is_in_the_sector_of_its_keys() -> None:
    """OpenID Connect CIBA Core section 4."""
    keys = {"jwks_uri": "https://Keys.example:8443/jwks", "token_endpoint_auth_method": "private_key_jwt"}
    assert validate({**SERVICE, **keys})["subject_type"] == "pairwise"
