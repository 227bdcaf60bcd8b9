"""Opaque access tokens: `access_token_format` opaque, a policy of operators."""

import base64
import hashlib
import json
import secrets
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from clients.metadata import InvalidClientMetadata, validate
from clients.self_registration import operators_members, validate_own
from server.observability.logging import redact
from server.storage import purge, schema
from server.storage.resources import Resource
from tests.keys.material import key_pair, signer
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

OPAQUE: dict[str, Any] = {"access_token_format": "opaque"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
API = "https://api.example/"


@pytest.fixture
async def rp(server: RunningServer) -> RelyingParty:
    """A client that gets opaque tokens."""
    secret = await server.add_client(client_name="Web Shop", scope="openid profile email account roles", **OPAQUE)
    return RelyingParty(server, client_secret=secret)


@pytest.fixture
async def service(server: RunningServer) -> RelyingParty:
    return RelyingParty(server, "service", await server.add_service(**OPAQUE))


@pytest.fixture
async def api(server: RunningServer) -> RelyingParty:
    """A resource server."""
    return RelyingParty(server, "api", await server.add_service("api", may_introspect=True))


def _is_opaque(token: str) -> bool:
    return token.startswith("oat_") and len(token) == len("oat_") + 43


async def _told(api: RelyingParty, token: str) -> dict[str, Any]:
    told: dict[str, Any] = (await api.post("/introspect", token=token)).json()
    return told


async def _rows(server: RunningServer) -> list[dict[str, Any]]:
    def work(db: Connection) -> list[dict[str, Any]]:
        rows = db.execute(select(schema.access_tokens)).mappings()
        return [{str(name): value for name, value in row.items()} for row in rows]

    return await server.run(work)


async def test_a_sign_in_gives_a_token_that_says_nothing(
    server: RunningServer, person: Person, rp: RelyingParty, api: RelyingParty
) -> None:
    """Everything that a JWT would say is told by introspection; only the digest is stored."""
    tokens = await rp.sign_in(person)
    token = tokens["access_token"]
    assert _is_opaque(token)
    userinfo = (await rp.userinfo(token)).json()
    told = await _told(api, token)
    assert told["active"] is True
    assert (told["sub"], told["client_id"], told["aud"]) == (userinfo["sub"], "web", server.issuer)
    assert (told["scope"], told["acr"], told["amr"]) == ("openid profile email", "aal1", ["pwd"])
    assert told["auth_time"] == told["iat"] == server.clock.now()
    assert told["exp"] - told["iat"] == tokens["expires_in"]
    _, claims = await rp.verified(tokens["id_token"])
    half = hashlib.sha256(token.encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert token not in json.dumps(await _rows(server))
    assert token.removeprefix("oat_") not in json.dumps(await _rows(server))
    fresh = (await rp.refresh(tokens["refresh_token"])).json()
    assert _is_opaque(fresh["access_token"])
    assert fresh["access_token"] != token


async def test_a_service_gets_one_too(service: RelyingParty, api: RelyingParty) -> None:
    """RFC 6749 section 4.4."""
    token = (await service.post("/token", grant_type="client_credentials")).json()["access_token"]
    assert _is_opaque(token)
    told = await _told(api, token)
    assert (told["active"], told["sub"], told["scope"]) == (True, "service", "read:things")
    assert "username" not in told


async def test_a_token_that_is_unknown_or_altered_is_worth_nothing(
    service: RelyingParty, api: RelyingParty, person: Person, rp: RelyingParty
) -> None:
    token = (await rp.sign_in(person))["access_token"]
    for wrong in (token[:-1], token + "x", "oat_", "oat_" + secrets.token_urlsafe(32), token.upper(), "oat_\u00e9"):
        assert await _told(api, wrong) == {"active": False}
        assert (await service.post("/revoke", token=wrong)).status_code == 200
    assert (await rp.userinfo("oat_" + secrets.token_urlsafe(32))).status_code == 401
    assert (await rp.userinfo(token)).status_code == 200


async def test_revoking_it_is_seen_at_once(
    person: Person, rp: RelyingParty, api: RelyingParty, service: RelyingParty
) -> None:
    """RFC 7009 section 2: by its own client alone."""
    tokens = await rp.sign_in(person)
    assert (await service.post("/revoke", token=tokens["access_token"])).status_code == 200
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    assert (await rp.post("/revoke", token=tokens["access_token"])).status_code == 200
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert await _told(api, tokens["access_token"]) == {"active": False}
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200, "the family lives on"


async def test_the_end_of_the_sign_in_is_seen_at_once(person: Person, rp: RelyingParty, api: RelyingParty) -> None:
    token = (await rp.sign_in(person))["access_token"]
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    assert (await rp.userinfo(token)).status_code == 401
    assert await _told(api, token) == {"active": False}


async def test_it_expires_and_is_cleared_away(
    server: RunningServer, person: Person, rp: RelyingParty, service: RelyingParty, api: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    await service.post("/token", grant_type="client_credentials")
    server.clock.advance(tokens["expires_in"])
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert await _told(api, tokens["access_token"]) == {"active": False}
    assert len(await _rows(server)) == 2
    await server.run(lambda db: purge.purge_batch(db, server.clock.now()))
    assert await _rows(server) == []


async def test_a_deleted_person_leaves_none_behind(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    row = (await _rows(server))[0]
    await server.run(lambda db: purge.erase_rows(db, row["claims"]["sub"]))
    assert await _rows(server) == []


async def test_a_bound_one_needs_its_proof(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 9449 section 7: `ath` is over the token, whatever its format."""
    prover = Prover(server)
    token = (await prover.sign_in(rp, person))["access_token"]
    assert _is_opaque(token)
    assert (await prover.userinfo(token)).status_code == 200
    assert (await rp.userinfo(token)).status_code == 401
    assert (await Prover(server).userinfo(token)).status_code == 401


async def test_the_account_api_takes_it(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    token = (await rp.sign_in(person, scope="openid account"))["access_token"]
    async with server.http(headers={"authorization": f"Bearer {token}"}) as http:
        response = await http.get("/api/auth/me")
    assert (response.status_code, response.json()["email"]) == (200, "alice@example.com")


async def test_the_other_grants_give_it(server: RunningServer, person: Person, api: RelyingParty) -> None:
    """RFC 8628, RFC 8693 with an opaque subject token, RFC 7523 section 2.1."""
    known = Resource(API, scopes=("profile",), allow_exchange_from=("all",))
    await server.add_resources(known)
    secret = await server.add_client(
        "all",
        grant_types=[DEVICE, EXCHANGE, JWT_BEARER, "authorization_code"],
        jwks={"keys": [key_pair().public_jwk]},
        jwt_bearer_subjects=["*"],
        **OPAQUE,
    )
    rp = RelyingParty(server, "all", secret)
    first = await rp.sign_in(person)
    sub = (await _told(api, first["access_token"]))["sub"]

    codes = (await rp.post("/device_authorization", scope="openid profile")).json()
    await person.visit("/device")
    await person.submit(user_code=codes["user_code"])
    await person.consent()
    by_device = await rp.post("/token", grant_type=DEVICE, device_code=codes["device_code"])

    exchange = {"subject_token": first["access_token"], "subject_token_type": ACCESS_TOKEN, "resource": API}
    exchanged = await rp.post("/token", grant_type=EXCHANGE, **exchange)

    now = server.clock.now()
    claims = {"iss": "all", "sub": sub, "aud": server.issuer, "iat": now, "exp": now + 60, "jti": "1"}
    by_assertion = await rp.post("/token", grant_type=JWT_BEARER, assertion=signer().sign(claims, typ="JWT"))

    for response, audience in ((by_device, server.issuer), (exchanged, API), (by_assertion, server.issuer)):
        assert await _check(api, response, sub) == audience


async def _check(api: RelyingParty, response: httpx.Response, sub: str) -> object:
    assert response.status_code == 200, response.text
    token = response.json()["access_token"]
    assert _is_opaque(token)
    told = await _told(api, token)
    assert (told["active"], told["sub"]) == (True, sub)
    return told["aud"]


async def test_a_refresh_token_is_no_access_token(person: Person, rp: RelyingParty, api: RelyingParty) -> None:
    tokens = await rp.sign_in(person)
    disguised = "oat_" + tokens["refresh_token"].removeprefix("ort_")
    assert await _told(api, disguised) == {"active": False}
    assert (await rp.userinfo(tokens["refresh_token"])).status_code == 401


async def test_the_other_clients_keep_their_jwts(server: RunningServer, person: Person) -> None:
    rp = RelyingParty(server, "plain", await server.add_client("plain"))
    assert (await rp.sign_in(person))["access_token"].count(".") == 2
    assert await _rows(server) == []


def test_only_operators_choose_the_format() -> None:
    """A client that registers itself is given JWTs, and an update of its own leaves the policy alone."""
    given = {"redirect_uris": ["https://client.example/cb"], **OPAQUE}
    known = ("openid",)
    assert "access_token_format" not in validate_own(given, operators={}, scopes_known=known)
    kept = operators_members(validate(given))
    assert validate_own({**given, "access_token_format": "jwt"}, operators=kept, scopes_known=known)[
        "access_token_format"
    ] == ("opaque")
    with pytest.raises(InvalidClientMetadata, match="jwt, opaque"):
        validate({**given, "access_token_format": "paseto"})


def test_logs_hide_it() -> None:
    assert redact("oat_" + secrets.token_urlsafe(32)) == "[redacted]"
