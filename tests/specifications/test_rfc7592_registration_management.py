"""RFC 7592 Dynamic Client Registration Management."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, func, select

from server.events.names import Event
from server.storage import clients, schema
from tests.support.account import events
from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

pytestmark = pytest.mark.parametrize("overrides", [{"client_registration": "open"}], indirect=True)
WEB = {
    "client_name": "Web Shop",
    "redirect_uris": ["https://client.example/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "policy_uri": "https://client.example/privacy",
}
ISSUED = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"client_id": None}, "invalid_client_metadata"),
    ({"client_id": "cli_another"}, "invalid_client_metadata"),
    ({"client_secret": "chosen by the client"}, "invalid_client_metadata"),
    ({"client_secret": 5}, "invalid_client_metadata"),
    ({"redirect_uris": ["http://client.example/cb"]}, "invalid_redirect_uri"),
    ({"redirect_uris": None}, "invalid_redirect_uri"),
    ({"grant_types": ["client_credentials"], "response_types": []}, "invalid_client_metadata"),
    ({"scope": "no:such"}, "invalid_client_metadata"),
]


@pytest.fixture
async def registered(server: RunningServer) -> dict[str, Any]:
    return await _register(server)


async def _register(server: RunningServer, **changes: Any) -> dict[str, Any]:
    async with server.http() as http:
        response = await http.post("/register", json={**WEB, **changes})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def _manage(
    server: RunningServer,
    method: str,
    registered: dict[str, Any],
    metadata: Any = None,
    *,
    token: str | None = None,
) -> httpx.Response:
    headers = {"authorization": f"Bearer {token or registered['registration_access_token']}"}
    async with server.http() as http:
        return await http.request(method, registered["registration_client_uri"], json=metadata, headers=headers)


def _replacement(registered: dict[str, Any], **changes: Any) -> dict[str, Any]:
    kept = {name: value for name, value in registered.items() if name not in ISSUED}
    return {name: value for name, value in {**kept, **changes}.items() if value is not None}


async def test_a_client_reads_its_registration(server: RunningServer, registered: dict[str, Any]) -> None:
    """Sections 2.1 and 3."""
    response = await _manage(server, "GET", registered)
    body = response.json()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    for name in ("client_id", "client_id_issued_at", "registration_access_token", "registration_client_uri"):
        assert body[name] == registered[name]
    assert body["client_name"] == "Web Shop"
    # A digest of it is all that is kept.
    assert "client_secret" not in body
    assert "unverified" not in body


async def test_a_wrong_token_is_refused(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 2: 401 for a token that is not valid."""
    for method in ("GET", "PUT", "DELETE"):
        metadata = {"not": "even looked at"} if method == "PUT" else None
        for token in ("orm_wrong", registered["client_secret"]):
            response = await _manage(server, method, registered, metadata, token=token)
            assert response.status_code == 401
            assert 'error="invalid_token"' in response.headers["www-authenticate"]
        async with server.http() as http:
            bare = await http.request(method, registered["registration_client_uri"])
        assert bare.status_code == 401
        assert bare.headers["www-authenticate"].startswith("Bearer")
    assert (await _manage(server, "GET", registered)).status_code == 200


async def test_a_token_is_bound_to_its_client(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 3: each token is good for one client."""
    other = await _register(server)
    token = other["registration_access_token"]
    for method in ("GET", "PUT", "DELETE"):
        metadata = _replacement(registered) if method == "PUT" else None
        assert (await _manage(server, method, registered, metadata, token=token)).status_code == 401
    assert (await _manage(server, "GET", other)).status_code == 200


async def test_a_client_of_an_operator_cannot_be_managed(server: RunningServer, registered: dict[str, Any]) -> None:
    await server.add_client("web")
    theirs = {**registered, "registration_client_uri": server.issuer + "/register/web"}
    assert (await _manage(server, "GET", theirs)).status_code == 401


async def test_a_disabled_client_may_not_manage_itself(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 2: 403 where the client does not have permission."""
    await server.disable_client(registered["client_id"])
    for method in ("GET", "DELETE"):
        response = await _manage(server, method, registered)
        assert response.status_code == 403
        assert response.json()["error"] == "access_denied"
    assert (await _manage(server, "PUT", registered, _replacement(registered))).status_code == 403


async def test_an_update_replaces_everything(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 2.2: members that are left out are gone, or have their default."""
    new = {
        "client_id": registered["client_id"],
        "client_name": "New Name",
        "redirect_uris": ["https://client.example/new"],
    }
    response = await _manage(server, "PUT", registered, new)
    body = response.json()
    assert response.status_code == 200
    assert body["client_name"] == "New Name"
    assert body["redirect_uris"] == ["https://client.example/new"]
    assert body["grant_types"] == ["authorization_code"]
    assert "policy_uri" not in body
    assert body["client_id_issued_at"] == registered["client_id_issued_at"]
    client = await server.services.registry.find(registered["client_id"])
    assert client is not None
    assert client.redirect_uris == ("https://client.example/new",)
    assert client.policy_uri is None


async def test_an_update_gives_a_new_token_and_the_old_one_is_dead(
    server: RunningServer, registered: dict[str, Any]
) -> None:
    """Section 2.2."""
    updated = (await _manage(server, "PUT", registered, _replacement(registered))).json()
    assert updated["registration_access_token"] != registered["registration_access_token"]
    assert (await _manage(server, "GET", registered)).status_code == 401
    assert (await _manage(server, "GET", updated)).status_code == 200


async def test_of_updates_at_once_one_succeeds(server: RunningServer, registered: dict[str, Any]) -> None:
    answers = await asyncio.gather(
        *(_manage(server, "PUT", registered, _replacement(registered, client_name=f"Name {n}")) for n in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_what_the_server_issues_is_not_sent_back(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 2.2: MUST NOT include."""
    for name in ISSUED:
        response = await _manage(server, "PUT", registered, {**_replacement(registered), name: registered[name]})
        assert response.status_code == 400, name
        assert response.json()["error"] == "invalid_client_metadata", name


async def test_a_wrong_update_changes_nothing(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 2.2: the client's id and secret are not for it to choose; what is invalid is refused."""
    for change, error in WRONG:
        response = await _manage(server, "PUT", registered, _replacement(registered, **change))
        assert response.status_code == 400, change
        assert response.json()["error"] == error, change
    body = (await _manage(server, "GET", registered)).json()
    assert body["redirect_uris"] == WEB["redirect_uris"]


async def test_an_update_may_not_grant_the_client_a_policy(server: RunningServer, registered: dict[str, Any]) -> None:
    policies = {"skip_consent": True, "may_introspect": True, "unverified": False, "access_token_seconds": 3600}
    assert (await _manage(server, "PUT", registered, _replacement(registered, **policies))).status_code == 200
    client = await server.services.registry.find(registered["client_id"])
    assert client is not None
    assert client.is_unverified
    assert not client.skip_consent
    assert not client.may_introspect
    assert client.access_token_seconds is None


async def test_what_an_operator_set_outlives_an_update(server: RunningServer, registered: dict[str, Any]) -> None:
    await server.change_client(registered["client_id"], require_mfa=True, access_token_seconds=60)
    updated = await _manage(server, "PUT", registered, _replacement(registered, access_token_seconds=3600))
    assert updated.status_code == 200
    client = await server.services.registry.find(registered["client_id"])
    assert client is not None
    assert client.require_mfa
    assert client.access_token_seconds == 60


async def test_the_secret_goes_and_comes_with_the_method(server: RunningServer, registered: dict[str, Any]) -> None:
    kept = _replacement(registered)
    public = (await _manage(server, "PUT", registered, {**kept, "token_endpoint_auth_method": "none"})).json()
    assert "client_secret" not in public
    change = _replacement(public, token_endpoint_auth_method="client_secret_post")
    again = (await _manage(server, "PUT", public, change)).json()
    assert again["client_secret"] != registered["client_secret"]
    assert again["client_secret_expires_at"] == 0
    client = await server.services.registry.find(registered["client_id"])
    assert client is not None
    assert [secret.expires_at for secret in client.secrets] == [server.clock.now(), None]


async def test_the_right_secret_may_be_sent_along(server: RunningServer, registered: dict[str, Any]) -> None:
    """Section 2.2."""
    change = _replacement(registered, client_secret=registered["client_secret"])
    assert (await _manage(server, "PUT", registered, change)).status_code == 200


async def test_deleting_ends_everything(server: RunningServer, person: Person, registered: dict[str, Any]) -> None:
    """Section 2.3: 204, and nothing that the client was given works any more."""
    rp = RelyingParty(server, client_id=registered["client_id"], client_secret=registered["client_secret"])
    tokens = await rp.sign_in(person)
    response = await _manage(server, "DELETE", registered)
    assert response.status_code == 204
    assert response.content == b""
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_client"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert await server.run(lambda db: clients.find_client(db, registered["client_id"])) is None
    for method in ("GET", "DELETE"):
        # Section 2: a client that does not exist is answered like a wrong token
        assert (await _manage(server, method, registered)).status_code == 401


async def test_other_methods_are_not_allowed(server: RunningServer, registered: dict[str, Any]) -> None:
    assert (await _manage(server, "PATCH", registered, {})).status_code == 405


async def _decide(server: RunningServer, client_id: str, directory: Path, **changes: Any) -> dict[str, Any]:
    """Let an operator change a client on the command line."""
    operator = ServerProcess.beside(server.settings, directory)
    words = ("client", "update", client_id, "--metadata", "-")
    changed: dict[str, Any] = await asyncio.to_thread(lambda: operator.cli(*words, stdin=json.dumps(changes)))
    server.services.registry.clear()
    return changed


async def test_what_an_operator_took_from_a_client_it_cannot_take_back(
    server: RunningServer, registered: dict[str, Any], tmp_path: Path
) -> None:
    """Section 2.2: the server may replace what the client asks for, and the answer shows it."""
    decided = {
        "scope": "openid",
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
        "policy_uri": None,
    }
    await _decide(server, registered["client_id"], tmp_path, **decided)
    wanted = _replacement(
        registered,
        scope="openid profile email",
        require_pushed_authorization_requests=False,
        dpop_bound_access_tokens=False,
        client_name="New Name",
    )
    answer = await _manage(server, "PUT", registered, wanted)
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["client_name"] == "New Name"
    assert {name: body.get(name) for name in decided} == decided
    assert "held_members" not in body
    # Leaving them out is no way round either.
    again = {"client_id": body["client_id"], "redirect_uris": WEB["redirect_uris"]}
    assert (await _manage(server, "PUT", body, again)).json()["scope"] == "openid"
    await _decide(server, registered["client_id"], tmp_path, held_members=None)
    client = await server.services.registry.find(registered["client_id"])
    assert client is not None
    assert "held_members" not in client.metadata


async def test_a_client_cannot_name_what_is_held(server: RunningServer, registered: dict[str, Any]) -> None:
    answer = await _manage(server, "PUT", registered, _replacement(registered, held_members=["scope"]))
    assert answer.status_code == 200
    client = await server.services.registry.find(registered["client_id"])
    assert client is not None
    assert "held_members" not in client.metadata


async def test_deleting_takes_back_what_waits_for_the_client(
    server: RunningServer, person: Person, registered: dict[str, Any]
) -> None:
    """Section 2.3: consents, authorizations, refresh tokens, codes, and the notices about its sign-ins."""
    rp = RelyingParty(server, client_id=registered["client_id"], client_secret=registered["client_secret"])
    tokens = await rp.sign_in(person)
    code = await rp.code_for(person)
    assert (await _manage(server, "DELETE", registered)).status_code == 204
    assert (await rp.redeem(code)).json()["error"] == "invalid_client"
    client_id = registered["client_id"]

    def left(db: Connection) -> dict[str, int]:
        tables = (schema.consents, schema.authorizations, schema.session_clients, schema.client_secrets)
        return {
            table.name: db.execute(select(func.count()).where(table.c.client_id == client_id)).scalar_one()
            for table in tables
        }

    assert set((await server.run(left)).values()) == {0}
    secret = await server.add_service("api", may_introspect=True)
    api = RelyingParty(server, "api", secret)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert (await api.post("/introspect", token=token)).json() == {"active": False}
    await person.visit("/account/applications")
    assert "Web Shop" not in person.text
    await person.visit(rp.url())
    assert (person.left_for, person.response.status_code) == (None, 400)


TRUSTED: dict[str, Any] = {"unverified": False, "skip_consent": True}
OTHERS: list[dict[str, Any]] = [
    {"client_name": "Your Bank"},
    {"client_name#de": "Deine Bank"},
    {"logo_uri": "https://client.example/logo"},
    {"client_uri": "https://other.example/"},
    {"policy_uri": None},
    {"tos_uri": "https://other.example/terms"},
    {"redirect_uris": ["https://other.example/cb"]},
    {"redirect_uris": [*WEB["redirect_uris"], "https://other.example/cb"]},
    {"scope": "openid profile email address phone offline_access roles"},
    {"jwks_uri": "https://other.example/keys"},
    {"token_endpoint_auth_method": "none"},
    {"initiate_login_uri": "https://other.example/begin"},
    {"subject_type": "pairwise"},
    {"backchannel_logout_uri": "https://other.example/bye"},
    {"dpop_bound_access_tokens": True},
]
HARMLESS: list[dict[str, Any]] = [
    {},
    {"contacts": ["b@client.example"], "software_version": "2"},
    {"scope": "openid email"},
    {"grant_types": ["authorization_code"]},
]


async def _is_trusted(server: RunningServer, client_id: str) -> bool:
    client = await server.services.registry.find(client_id)
    assert client is not None
    assert client.is_unverified is not client.skip_consent
    return not client.is_unverified


async def test_a_client_that_becomes_another_is_no_longer_vouched_for(
    server: RunningServer, registered: dict[str, Any]
) -> None:
    """Section 5: what an operator looked at is not what people see now. The audit log tells which members."""
    for change in OTHERS:
        await server.change_client(registered["client_id"], **TRUSTED)
        answer = await _manage(server, "PUT", registered, _replacement(registered, **change))
        assert answer.status_code == 200, answer.text
        assert not await _is_trusted(server, registered["client_id"]), change
        told = (await events(server, Event.CLIENT_UPDATED))[0]["details"]
        assert told["no_longer_verified_for"] == sorted(change)
        client_id, token = registered["client_id"], answer.json()["registration_access_token"]
        back = {name: value for name, value in registered.items() if name != "client_secret"}
        back = (await _manage(server, "PUT", registered, _replacement(back), token=token)).json()
        assert not await _is_trusted(server, client_id), "nor by becoming what it was"
        registered = {**back, "registration_access_token": back["registration_access_token"]}


async def test_a_client_that_stays_what_it_is_stays_vouched_for(
    server: RunningServer, registered: dict[str, Any]
) -> None:
    await server.change_client(registered["client_id"], **TRUSTED)
    for change in HARMLESS:
        answer = await _manage(server, "PUT", registered, _replacement(registered, **change))
        assert answer.status_code == 200, answer.text
        registered = answer.json()
        assert await _is_trusted(server, registered["client_id"]), change
    wider = _replacement(registered, scope="openid profile email")
    assert (await _manage(server, "PUT", registered, wider)).status_code == 200
    assert not await _is_trusted(server, registered["client_id"]), "what it gave up it does not get back by itself"


async def test_people_are_told_once_a_client_is_another(
    server: RunningServer, person: Person, registered: dict[str, Any]
) -> None:
    """Section 5, in the browser: the operator's word for the one is none for the other."""
    await server.change_client(registered["client_id"], **TRUSTED)
    rp = RelyingParty(server, client_id=registered["client_id"], client_secret=registered["client_secret"])
    await person.visit(rp.url())
    await person.sign_in()
    await person.postpone()
    assert "code" in person.answer(), "nobody was asked"
    await _manage(server, "PUT", registered, _replacement(registered, client_name="Your Bank"))
    await person.visit(rp.url())
    assert person.title == "Allow access"
    assert "Nobody here has verified" in person.text
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "consent_required"
