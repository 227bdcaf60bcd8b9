"""RFC 7523 section 2.1: a token about a person for whom a trusted issuer vouches."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from clients.metadata import InvalidClientMetadata, validate
from server.accounts.user import User
from server.storage import audit, users
from server.storage.resources import Resource
from tests.keys.material import key_pair, signer
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWKS = {"keys": [key_pair().public_jwk]}


@pytest.fixture
async def alice(server: RunningServer) -> User:
    return await server.add_person(roles=["user"])


@pytest.fixture
async def crm(server: RunningServer) -> RelyingParty:
    """A service that vouches for people itself."""
    secret = await server.add_service(
        "backend",
        grant_types=[GRANT, "client_credentials"],
        scope="read:things roles openid offline_access account",
        jwks=JWKS,
        jwt_bearer_subjects=["*"],
    )
    return RelyingParty(server, "backend", secret)


def _assertion(server: RunningServer, subject: str, **changes: Any) -> str:
    now = server.clock.now()
    claims = {
        "iss": "backend",
        "sub": subject,
        "aud": server.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(8),
        **changes,
    }
    return signer().sign({name: value for name, value in claims.items() if value is not None}, typ="JWT")


async def _grant(rp: RelyingParty, assertion: str | None, **form: str | None) -> httpx.Response:
    return await rp.post("/token", grant_type=GRANT, assertion=assertion, **{"scope": "read:things roles", **form})


async def _problem(rp: RelyingParty, assertion: str | None, **form: str | None) -> str:
    response = await _grant(rp, assertion, **form)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


async def test_an_issuer_speaks_for_a_person(server: RunningServer, crm: RelyingParty, alice: User) -> None:
    """Sections 2.1 and 3; RFC 7521 section 4.1: no refresh token."""
    response = await _grant(crm, _assertion(server, alice.id))
    assert response.status_code == 200, response.text
    body = response.json()
    assert not {"refresh_token", "id_token"} & body.keys()
    _, claims = await crm.verified(body["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (alice.id, "backend", server.issuer)
    assert (claims["scope"], claims["roles"]) == ("read:things roles", ["user"])
    assert not {"auth_time", "acr", "amr"} & claims.keys(), "nobody has signed in"
    told = (await crm.post("/introspect", token=body["access_token"])).json()
    assert (told["active"], told["sub"]) == (True, alice.id)
    rows = await server.run(lambda db: audit.list_rows(db, event="assertion.accepted"))
    assert rows[0]["details"]["issuer"] == "backend"


@pytest.mark.parametrize(("name", "seconds"), [("exp", 59.5), ("iat", -0.5), ("nbf", -0.5)])
async def test_a_time_may_have_a_fraction(
    server: RunningServer, crm: RelyingParty, alice: User, name: str, seconds: float
) -> None:
    """Section 3 with RFC 7519 section 2, NumericDate; it is still good once."""
    assertion = _assertion(server, alice.id, **{name: server.clock.now() + seconds})
    assert (await _grant(crm, assertion)).status_code == 200
    assert await _problem(crm, assertion) == "invalid_grant"


WRONG: tuple[dict[str, Any], ...] = (
    {"iss": None},
    {"iss": "another"},
    {"iss": ["backend"]},
    {"sub": None},
    {"sub": "usr_nobody"},
    {"sub": "backend"},
    {"sub": 7},
    {"aud": None},
    {"aud": "https://other.example"},
    {"aud": "https://login.example.com/token"},
    {"aud": ["https://login.example.com"]},
    {"exp": None},
    {"exp": 1},
    {"exp": "soon"},
    {"exp": 1_790_000_000 + 400},
    {"nbf": 1_790_000_000 + 100},
    {"iat": 1_790_000_000 + 100},
    {"jti": None},
    {"jti": ""},
    {"jti": "x" * 256},
)


async def test_an_assertion_that_does_not_say_what_it_must_is_refused(
    server: RunningServer, crm: RelyingParty, alice: User
) -> None:
    """Section 3 rules 1 to 7, and 3.1: invalid_grant."""
    for changes in WRONG:
        assert await _problem(crm, _assertion(server, alice.id, **changes)) == "invalid_grant", changes


async def test_an_assertion_that_its_issuer_did_not_sign_is_refused(
    server: RunningServer, crm: RelyingParty, alice: User
) -> None:
    """Section 3 rules 8 and 9."""
    assertion = _assertion(server, alice.id)
    header, payload, _ = assertion.split(".")
    forged = signer(number=2).sign({"iss": "backend"}, typ="JWT").split(".")[2]
    for wrong in (f"{header}.{payload}.{forged}", f"{header}.{payload}.", "nonsense", "a.b.c", "x" * 20_000):
        assert await _problem(crm, wrong) in ("invalid_grant", "invalid_request")
    typed = signer().sign({"iss": "backend", "sub": alice.id, "aud": server.issuer}, typ="at+jwt")
    assert await _problem(crm, typed) == "invalid_grant"
    assert await _problem(crm, None) == "invalid_request"
    assert (await _grant(crm, assertion)).status_code == 200


async def test_an_assertion_is_good_once_however_many_come_at_once(
    server: RunningServer, crm: RelyingParty, alice: User
) -> None:
    """Section 3 rule 7."""
    assertion = _assertion(server, alice.id)
    responses = await asyncio.gather(*(_grant(crm, assertion) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 7
    assert await _problem(crm, assertion) == "invalid_grant"


async def test_a_refused_request_uses_nothing_up(server: RunningServer, crm: RelyingParty, alice: User) -> None:
    assertion = _assertion(server, alice.id)
    assert await _problem(crm, assertion, scope="write:things") == "invalid_scope"
    assert await _problem(crm, assertion, resource="https://unknown.example/") == "invalid_target"
    assert (await _grant(crm, assertion)).status_code == 200


async def test_an_issuer_speaks_only_for_whom_it_may(server: RunningServer, crm: RelyingParty, alice: User) -> None:
    """Section 5: the scope of trust in an issuer is the operator's."""
    bob = await server.add_person("bob@example.com", roles=["support"])
    for subjects, allowed in (
        ([], []),
        ([f"user:{bob.id}"], [bob]),
        (["role:support"], [bob]),
        (["role:user", f"user:{bob.id}"], [alice, bob]),
    ):
        await server.change_client("backend", jwt_bearer_subjects=subjects)
        for person in (alice, bob):
            status = (await _grant(crm, _assertion(server, person.id))).status_code
            assert status == (200 if person in allowed else 400)


async def test_assertions_of_other_issuers_need_the_operators_word(
    server: RunningServer, crm: RelyingParty, alice: User
) -> None:
    """Section 3 rule 1: the issuer is one whom the server trusts, for this client."""
    secret = await server.add_service("robot", grant_types=[GRANT])
    robot = RelyingParty(server, "robot", secret)
    form = {"scope": "read:things"}
    assert await _problem(robot, _assertion(server, alice.id), **form) == "invalid_grant"
    await server.change_client("robot", jwt_bearer_issuers=["backend"])
    response = await _grant(robot, _assertion(server, alice.id), **form)
    assert (await crm.verified(response.json()["access_token"]))[1]["client_id"] == "robot"
    await server.disable_client("backend")
    assert await _problem(robot, _assertion(server, alice.id), **form) == "invalid_grant"


@pytest.mark.parametrize("scope", ["openid", "account", "read:things offline_access"])
async def test_scopes_that_need_a_sign_in_are_refused(
    server: RunningServer, crm: RelyingParty, alice: User, scope: str
) -> None:
    assert await _problem(crm, _assertion(server, alice.id), scope=scope) == "invalid_scope"
    response = await _grant(crm, _assertion(server, alice.id), scope=None)
    assert response.json()["scope"] == "read:things roles"


async def test_disabling_the_person_ends_the_token(server: RunningServer, crm: RelyingParty, alice: User) -> None:
    token = (await _grant(crm, _assertion(server, alice.id))).json()["access_token"]
    await server.run(lambda db: users.disable(db, alice.id, now=server.clock.now()))
    assert (await crm.post("/introspect", token=token)).json() == {"active": False}
    assert await _problem(crm, _assertion(server, alice.id)) == "invalid_grant"


async def test_a_token_is_for_the_resource_that_is_named(server: RunningServer, crm: RelyingParty, alice: User) -> None:
    """RFC 8707 section 2.2."""
    stock = Resource("https://stock.example/", scopes=("read:things",))
    await server.add_resources(stock)
    response = await _grant(crm, _assertion(server, alice.id), resource=stock.uri)
    assert (await crm.verified(response.json()["access_token"]))[1]["aud"] == stock.uri


async def test_only_registered_confidential_clients_may_ask(server: RunningServer, alice: User) -> None:
    """Section 3.1 with RFC 6749 section 5.2."""
    other = RelyingParty(server, "service", await server.add_service())
    assert await _problem(other, _assertion(server, alice.id)) == "unauthorized_client"
    with pytest.raises(InvalidClientMetadata, match="a public client cannot use"):
        await server.add_client("public", grant_types=[GRANT], response_types=[], token_endpoint_auth_method="none")


@pytest.mark.parametrize("subjects", [["alice"], ["user:"], ["role"], "*", [7]])
def test_a_policy_that_nobody_understands_is_refused(subjects: Any) -> None:
    with pytest.raises(InvalidClientMetadata, match="jwt_bearer_subjects"):
        validate({"redirect_uris": ["https://client.example/cb"], "jwt_bearer_subjects": subjects})
