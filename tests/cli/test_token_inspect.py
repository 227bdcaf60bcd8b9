"""`ostiary token inspect`: what a token is, beside a running server."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from server.clock import SystemClock
from server.storage import signing_keys
from server.tokens import logout_token
from tests.cli.conftest import CommandLine
from tests.keys.material import signer
from tests.support import asking
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import FakeClock, RunningServer

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def clock() -> FakeClock:
    """The command line knows the real time alone."""
    return FakeClock(SystemClock().now())


class Inspector:
    """Runs the command beside the server."""

    def __init__(self, ostiary: CommandLine) -> None:
        self.ostiary = ostiary

    async def json(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = await asyncio.to_thread(self.ostiary.json, "token", "inspect", stdin=token)
        assert token.strip() not in json.dumps(found), "the token is not printed"
        return found

    async def text(self, token: str) -> str:
        result = await asyncio.to_thread(self.ostiary.run, "token", "inspect", "-", stdin=token)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    async def refusal(self, token: str) -> str:
        line: str = await asyncio.to_thread(self.ostiary.refusal, "token", "inspect", stdin=token)
        return line


@pytest.fixture
def inspector(ostiary: CommandLine) -> Inspector:
    return Inspector(ostiary)


@pytest.fixture
async def tokens(person: Person, rp: RelyingParty) -> dict[str, Any]:
    """What Alice's sign-in gave."""
    return await rp.sign_in(person, scope="openid offline_access")


async def test_an_access_token(inspector: Inspector, server: RunningServer, tokens: dict[str, Any]) -> None:
    found = await inspector.json(tokens["access_token"])
    assert (found["kind"], found["good"], found["status"]) == ("access token (JWT)", True, "good")
    assert found["signature"]["valid"] is True
    assert found["signature"]["key_state"] == "active"
    assert found["header"]["typ"] == "at+jwt"
    assert found["claims"]["client_id"] == "web"
    assert found["client"] == {"client_id": "web", "client_name": "Web Shop", "state": "active"}
    assert (found["person"]["email"], found["person"]["state"]) == ("alice@example.com", "active")
    assert found["session"]["state"] == "live"
    assert (found["family"]["id"], found["family"]["state"]) == (found["claims"]["gid"], "live")
    assert found["issued_at"] == server.clock.now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(in (9|10) minutes\)", found["expires"])


async def test_the_same_in_words(inspector: Inspector, tokens: dict[str, Any]) -> None:
    text = await inspector.text(f"Bearer {tokens['access_token']}\n")
    for words in ("access token (JWT)", "good", "alice@example.com", "Web Shop", "at+jwt", "active"):
        assert words in text
    assert tokens["access_token"] not in text
    for name in ("claims.exp", "claims.iat", "family.auth_time", "family.expires_at", "session.authenticated_at"):
        assert re.search(rf"^{re.escape(name)} +\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", text, re.MULTILINE), name


async def test_an_id_token_and_a_logout_token(
    inspector: Inspector, server: RunningServer, rp: RelyingParty, tokens: dict[str, Any]
) -> None:
    found = await inspector.json(tokens["id_token"])
    assert (found["kind"], found["good"]) == ("ID token", True)
    assert found["session"]["id"] == found["claims"]["sid"]
    assert found["client"]["client_id"] == "web"
    token = logout_token.mint(
        server.services.keys,
        server.issuer,
        subject=found["claims"]["sub"],
        client_id=rp.client_id,
        session_id=found["claims"]["sid"],
        algorithm=None,
        now=server.clock.now(),
    )
    told = await inspector.json(token)
    assert (told["kind"], told["person"]["email"]) == ("logout token", "alice@example.com")


async def test_the_person_behind_a_pairwise_identifier(
    inspector: Inspector, server: RunningServer, person: Person
) -> None:
    secret = await server.add_client("pair", subject_type="pairwise", access_token_format="opaque")
    rp = RelyingParty(server, "pair", secret)
    tokens = await rp.sign_in(person)
    for name in ("access_token", "id_token", "refresh_token"):
        found = await inspector.json(tokens[name])
        assert found["person"]["email"] == "alice@example.com"
        assert found["person"]["id"].startswith("usr_")


async def test_a_refresh_token_is_not_used_up(
    inspector: Inspector, server: RunningServer, rp: RelyingParty, tokens: dict[str, Any]
) -> None:
    found = await inspector.json(tokens["refresh_token"])
    assert (found["kind"], found["good"], found["scope"]) == ("refresh token", True, "openid offline_access")
    assert found["family"]["state"] == "live"
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200
    used = await inspector.json(tokens["refresh_token"])
    assert used["good"] is False
    assert "it was used" in used["status"]
    assert used["used_at"] == server.clock.now()


async def test_an_opaque_access_token_and_its_revocation(
    inspector: Inspector, server: RunningServer, person: Person
) -> None:
    rp = RelyingParty(server, "dark", await server.add_client("dark", access_token_format="opaque"))
    token = (await rp.sign_in(person))["access_token"]
    found = await inspector.json(token)
    assert (found["kind"], found["good"]) == ("access token (opaque)", True)
    assert found["claims"]["scope"] == "openid profile email"
    await rp.post("/revoke", token=token)
    assert (await inspector.json(token))["status"] == "it was revoked"


async def test_what_was_revoked_is_said(
    inspector: Inspector, server: RunningServer, rp: RelyingParty, tokens: dict[str, Any]
) -> None:
    await rp.post("/revoke", token=tokens["refresh_token"])
    found = await inspector.json(tokens["access_token"])
    assert found["good"] is False
    assert found["family"]["state"].startswith("revoked")
    await server.disable_client("web")
    assert "its client is disabled" in (await inspector.json(tokens["access_token"]))["status"]


async def test_a_code_is_not_used_up(inspector: Inspector, person: Person, rp: RelyingParty) -> None:
    code = await rp.code_for(person)
    found = await inspector.json(code)
    assert (found["kind"], found["good"]) == ("authorization code", True)
    assert found["person"]["email"] == "alice@example.com"
    assert rp.challenge not in json.dumps(found)
    assert (await rp.redeem(code)).status_code == 200
    assert "it was used" in (await inspector.json(code))["status"]


@pytest.mark.parametrize("overrides", [{"client_registration": "token"}], indirect=True)
async def test_registration_tokens_and_secrets(inspector: Inspector, server: RunningServer) -> None:
    inspector.ostiary.environment["OSTIARY_CLIENT_REGISTRATION"] = "token"
    made = await asyncio.to_thread(inspector.ostiary.json, "client", "registration-token", "create", "--uses", "1")
    initial = made["initial_access_token"]
    found = await inspector.json(initial)
    assert (found["kind"], found["uses_left"], found["good"]) == (
        "initial access token (client registration)",
        1,
        True,
    )
    async with server.http(headers={"authorization": f"Bearer {initial}"}) as http:
        client = (await http.post("/register", json={"redirect_uris": ["https://a.example/cb"]})).json()
    assert (await inspector.json(initial))["status"] == "it is used up"
    for name, kind in (("registration_access_token", "registration access token"), ("client_secret", "client secret")):
        told = await inspector.json(client[name])
        assert (told["kind"], told["client"]["client_id"]) == (kind, client["client_id"])


async def test_the_things_that_are_used_once(inspector: Inspector, server: RunningServer, person: Person) -> None:
    rp = RelyingParty(server, "tv", await server.add_client("tv", grant_types=[DEVICE, "authorization_code"]))
    codes = (await rp.post("/device_authorization", scope="openid")).json()
    found = await inspector.json(codes["device_code"])
    assert (found["kind"], found["client"]["client_id"]) == ("device code", "tv")
    assert (found["good"], found["answer"], found["scope"]) == (True, "pending", "openid")
    pushed = (await rp.post("/par", **rp.parameters())).json()["request_uri"]
    told = await inspector.json(pushed)
    assert told["kind"].startswith("request_uri")
    assert told["expires_at"] - told["issued_at"] == 60, "RFC 9126 section 2.2"
    assert told["scope"] == rp.parameters()["scope"]
    await person.visit(rp.url())
    interaction = str(person.response.request.url).split("/interaction/")[1].split("/")[0]
    assert (await inspector.json(interaction))["kind"].startswith("sign-in in progress")
    await person.sign_in()
    cookie = next(found.value for found in person.http.cookies.jar if (found.value or "").startswith("ost_"))
    told = await inspector.json(str(cookie))
    assert (told["kind"], told["person"]["email"]) == ("session cookie", "alice@example.com")
    made = await asyncio.to_thread(inspector.ostiary.json, "user", "set-password", "alice@example.com")
    told = await inspector.json(
        next(str(value).rpartition("token=")[2] for value in made.values() if "opw_" in str(value))
    )
    assert (told["kind"], told["person"]["email"]) == ("link that sets a password", "alice@example.com")


async def test_a_pushed_request_is_over_when_no_sign_in_can_begin_with_it(
    inspector: Inspector, server: RunningServer, rp: RelyingParty
) -> None:
    """RFC 9126 section 4: its row outlives that, for sign-ins that have begun."""
    server.clock.advance(-61)
    pushed = (await rp.post("/par", **rp.parameters())).json()["request_uri"]
    told = await inspector.json(pushed)
    assert told["good"] is False
    assert re.fullmatch(r"it expired \d+ seconds? ago", told["status"])


@pytest.mark.parametrize(("decision", "answer"), [("allow", "approved"), ("deny", "denied")])
async def test_what_a_person_answered_a_device(
    inspector: Inspector, server: RunningServer, person: Person, decision: str, answer: str
) -> None:
    """RFC 8628 section 3.5."""
    rp = RelyingParty(server, "tv", await server.add_client("tv", grant_types=[DEVICE], response_types=[]))
    codes = (await rp.post("/device_authorization", scope="openid profile")).json()
    await person.visit("/device")
    await person.submit(user_code=codes["user_code"])
    await person.sign_in()
    if person.title == "Protect your account":
        await person.postpone()
    await person.consent(decision)
    found = await inspector.json(codes["device_code"])
    assert (found["answer"], found["scope"]) == (answer, "openid profile")
    assert found["person"]["email"] == "alice@example.com"
    assert found["status"] == ("good" if decision == "allow" else "the person denied it")


@pytest.mark.parametrize(("decision", "answer"), [("approve", "approved"), ("deny", "denied")])
async def test_what_a_person_answered_elsewhere(
    inspector: Inspector, server: RunningServer, person: Person, decision: str, answer: str
) -> None:
    """OpenID Connect CIBA Core section 11."""
    bank = await asking.client(server)
    begun = await asking.begin(bank)
    found = await inspector.json(begun["auth_req_id"])
    assert (found["good"], found["answer"], found["scope"]) == (True, "pending", asking.SCOPE)
    await asking.decide(person, decision)
    found = await inspector.json(begun["auth_req_id"])
    assert (found["answer"], found["good"]) == (answer, decision == "approve")
    if decision == "approve":
        await asking.tokens_of(bank, begun)
        found = await inspector.json(begun["auth_req_id"])
        assert (found["answer"], found["status"]) == ("approved", "it was used")


async def test_foreign_and_altered_tokens_are_told_apart(
    inspector: Inspector, server: RunningServer, tokens: dict[str, Any]
) -> None:
    now = server.clock.now()
    foreign = signer().sign({"iss": "https://elsewhere.example", "sub": "x", "exp": now + 60}, typ="JWT")
    forged = signer().sign({"iss": server.issuer, "sub": "x", "exp": now + 60}, typ="at+jwt")
    head, _, rest = tokens["access_token"].partition(".")
    payload, _, signature = rest.partition(".")
    altered = f"{head}.{payload}.{signature[::-1]}"
    for token, words in (
        (foreign, "another issuer"),
        (forged, "no key of it"),
        (altered, "does not fit"),
        ("a.b.c", "cannot be read"),
        ("ort_" + "x" * 43, "nothing is known of it"),
        ("hello", "neither a JWT"),
        ("a.b.c.d.e", "encrypted to a client"),
        ("", "one token on standard input"),
        ("two words", "one token on standard input"),
        ("x" * 70_000, "one token on standard input"),
        ("\u2603", "one token on standard input"),
    ):
        line = await inspector.refusal(token)
        assert words in line, (words, line)
        assert not token or token not in line


async def test_the_state_of_the_key_is_said(
    inspector: Inspector, server: RunningServer, tokens: dict[str, Any]
) -> None:
    kid = (await inspector.json(tokens["id_token"]))["signature"]["kid"]
    await asyncio.to_thread(inspector.ostiary.json, "key", "revoke", kid)
    found = await inspector.json(tokens["id_token"])
    assert (found["good"], found["signature"]["key_state"]) == (False, "revoked")
    assert "the key that signed it was revoked" in found["status"]
    keys = await server.run(signing_keys.list_keys)
    assert [key.kid for key in keys if key.state.value == "revoked"] == [kid]


async def test_an_expired_token_is_still_explained(
    inspector: Inspector, server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    server.clock.advance(-7200)
    tokens = await rp.sign_in(person)
    found = await inspector.json(tokens["access_token"])
    assert found["good"] is False
    assert found["status"].startswith("it expired 1 hour ago")


def test_the_help_warns_of_arguments(ostiary: CommandLine) -> None:
    assert "history" in " ".join(ostiary.run("token", "inspect", "--help").stdout.split())


async def test_offline_access_outlives_the_sign_in_that_began_it(
    inspector: Inspector, person: Person, tokens: dict[str, Any], rp: RelyingParty
) -> None:
    await person.visit("/end-session?" + urlencode({"id_token_hint": tokens["id_token"]}))
    first = await inspector.json(tokens["refresh_token"])
    assert first["good"] is True
    assert first["session"]["state"].startswith("ended")
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200
