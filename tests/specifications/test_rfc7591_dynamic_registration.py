"""RFC 7591 Dynamic Client Registration, OpenID Connect Dynamic Client Registration 1.0."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from server.storage import client_registrations, clients
from server.tokens import opaque
from tests.keys.material import key_pair
from tests.support.person import Person
from tests.support.process import ServerProcess
from tests.support.receiver import Receiver
from tests.support.relying_party import RelyingParty
from tests.support.self_registration import WEB, initial_token, register
from tests.support.server import RunningServer

OPEN = pytest.mark.parametrize("overrides", [{"client_registration": "open"}], indirect=True)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"redirect_uris": []}, "invalid_redirect_uri"),
    ({"redirect_uris": None}, "invalid_redirect_uri"),
    ({"redirect_uris": "https://client.example/cb"}, "invalid_redirect_uri"),
    ({"redirect_uris": ["http://client.example/cb"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://client.example/cb#x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
    ({"grant_types": ["password"]}, "invalid_client_metadata"),
    ({"grant_types": ["client_credentials"], "response_types": []}, "invalid_client_metadata"),
    ({"grant_types": ["authorization_code"], "response_types": []}, "invalid_client_metadata"),
    ({"response_types": ["id_token"], "grant_types": ["implicit"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "guess"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    (
        {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "job.example"},
        "invalid_client_metadata",
    ),
    (
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "AA"}]}},
        "invalid_client_metadata",
    ),
    ({"scope": "openid no:such"}, "invalid_client_metadata"),
    ({"client_name": 5}, "invalid_client_metadata"),
    ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
    ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
    ({"id_token_signed_response_alg": "ES256"}, "invalid_client_metadata"),
    ({"subject_type": "nobody"}, "invalid_client_metadata"),
]
NO_JSON: list[tuple[bytes, str]] = [
    (b"", "application/json"),
    (b"[]", "application/json"),
    (b"{", "application/json"),
    (b'{"client_name": "a", "client_name": "b"}', "application/json"),
    (b'{"client_name": NaN}', "application/json"),
    (b'{"client_name": "\xff"}', "application/json"),
    (b"[" * 5000, "application/json"),
    (b"client_name=a", "application/x-www-form-urlencoded"),
    (json.dumps(WEB).encode(), "text/plain"),
]


async def test_without_the_setting_there_is_no_endpoint(server: RunningServer) -> None:
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert "registration_endpoint" not in document
    assert (await register(server, WEB)).status_code == 404


@OPEN
async def test_a_registration_returns_all_metadata_and_the_secrets(server: RunningServer) -> None:
    """Sections 3.2.1; RFC 7592 section 3."""
    async with server.http() as http:
        document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["registration_endpoint"] == server.issuer + "/register"
    response = await register(server, {**WEB, "contacts": ["a@client.example"], "client_name#de": "Laden"})
    body = response.json()
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    assert body["client_secret_expires_at"] == 0
    assert body["client_id_issued_at"] == server.clock.now()
    assert body["registration_client_uri"] == f"{server.issuer}/register/{body['client_id']}"
    assert body["registration_access_token"]
    assert body["redirect_uris"] == WEB["redirect_uris"]
    assert body["grant_types"] == ["authorization_code"]
    assert body["response_types"] == ["code"]
    assert body["token_endpoint_auth_method"] == "client_secret_basic"
    assert body["client_name#de"] == "Laden"
    assert "openid" in body["scope"].split()


@OPEN
async def test_secrets_are_stored_as_digests_only(server: RunningServer) -> None:
    body = (await register(server, WEB)).json()
    client = await server.run(lambda db: clients.find_client(db, body["client_id"]))
    assert client is not None
    stored = json.dumps([dict(client.metadata), [secret.digest for secret in client.secrets]])
    assert body["client_secret"] not in stored
    assert body["registration_access_token"] not in stored
    digest = opaque.digest("registration_access_token", body["registration_access_token"])
    assert await server.run(lambda db: client_registrations.find_client_id(db, digest)) == body["client_id"]


@OPEN
async def test_a_registered_client_works_at_once(server: RunningServer, person: Person) -> None:
    body = (await register(server, {**WEB, "grant_types": ["authorization_code", "refresh_token"]})).json()
    rp = RelyingParty(server, client_id=body["client_id"], client_secret=body["client_secret"])
    tokens = await rp.sign_in(person)
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200


@OPEN
async def test_people_are_always_asked_and_told_that_nobody_vouches(server: RunningServer, person: Person) -> None:
    """Section 5: a client that registered itself may say that it is anybody."""
    body = (await register(server, {**WEB, "skip_consent": True})).json()
    rp = RelyingParty(server, client_id=body["client_id"], client_secret=body["client_secret"])
    await rp.sign_in(person)
    await person.visit(rp.url())
    assert person.title == "Allow access"
    assert "Nobody here has verified" in person.text
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "consent_required"


@pytest.mark.parametrize(
    "overrides", [{"client_registration": "token"}, {"client_registration": "open"}], indirect=True
)
async def test_nobody_registers_for_the_account_api(server: RunningServer, overrides: dict[str, Any]) -> None:
    """Section 3.2.1: left out, and the answer tells; with it a client could change somebody's password."""
    await server.add_scopes("account")
    token = (
        await initial_token(server, is_trusted=True, uses=2) if overrides["client_registration"] == "token" else None
    )
    named = (await register(server, {**WEB, "scope": "openid account roles"}, token)).json()
    unnamed = (await register(server, WEB, token)).json()
    assert named["scope"] == "openid roles"
    assert unnamed["scope"] == "openid profile email address phone offline_access"
    headers = {"authorization": f"Bearer {named['registration_access_token']}"}
    async with server.http(headers=headers) as http:
        update = {**WEB, "client_id": named["client_id"], "scope": "openid account"}
        answer = (await http.put(named["registration_client_uri"], json=update)).json()
        assert answer["scope"] == "openid"
        # An operator may grant it, and then the client does not lose it by its next update.
        granted = {"scope": "openid account", "held_members": ["scope"]}
        await server.change_client(named["client_id"], **granted)
        headers["authorization"] = f"Bearer {answer['registration_access_token']}"
        again = await http.put(named["registration_client_uri"], json=update, headers=headers)
    assert again.json()["scope"] == "openid account", again.text


@OPEN
async def test_a_request_that_names_no_scope_asks_for_little(server: RunningServer, person: Person) -> None:
    """RFC 6749 section 3.3: a default of the server, which for a client that nobody vouches for is small."""
    body = (await register(server, {**WEB, "scope": "openid profile email address phone roles org"})).json()
    rp = RelyingParty(server, client_id=body["client_id"], client_secret=body["client_secret"])
    assert (await rp.sign_in(person, scope=None))["scope"] == "profile email"
    await server.change_client(body["client_id"], unverified=False)
    assert (await rp.sign_in(person, scope=None))["scope"] == "profile email address phone roles org"


@OPEN
async def test_a_client_sets_no_policy_of_ours(server: RunningServer) -> None:
    """Section 2: what the server does not let a client choose is left out, and the answer shows it."""
    policies = {
        "skip_consent": True,
        "may_introspect": True,
        "require_pkce": False,
        "require_mfa": False,
        "access_token_seconds": 3600,
        "refresh_token_seconds": 315_360_000,
        "unverified": False,
        "something_unknown": "x",
    }
    response = await register(server, {**WEB, **policies})
    assert response.status_code == 201
    assert not policies.keys() & response.json().keys()
    client = await server.services.registry.find(response.json()["client_id"])
    assert client is not None
    assert client.is_unverified
    assert set(client.metadata) & set(policies) == {"unverified"}


@OPEN
async def test_what_cannot_be_registered_is_refused(server: RunningServer) -> None:
    """Section 3.2.2."""
    for number, (change, error) in enumerate(REFUSED):
        response = await register(server, {**WEB, **change}, address=f"192.0.2.{number}")
        assert response.status_code == 400, change
        assert response.json()["error"] == error, change
        assert response.json()["error_description"].isascii(), change
        assert response.headers["cache-control"] == "no-store", change


@OPEN
async def test_jwks_and_jwks_uri_exclude_each_other(server: RunningServer) -> None:
    """Section 2."""
    metadata = {**WEB, "token_endpoint_auth_method": "private_key_jwt"}
    keys = {"keys": [dict(key_pair().public_jwk)]}
    assert (await register(server, {**metadata, "jwks": keys})).status_code == 201
    both = await register(server, {**metadata, "jwks": keys, "jwks_uri": "https://client.example/jwks"})
    assert both.json()["error"] == "invalid_client_metadata"


@OPEN
async def test_a_client_that_asks_for_all_response_types_gets_those_that_are_served(server: RunningServer) -> None:
    """Section 3.2.1: the server may replace a value, and tells."""
    grants = ["authorization_code", "implicit", "refresh_token"]
    wanted = {**WEB, "response_types": ["code", "id_token", "token id_token", "code id_token"], "grant_types": grants}
    body = (await register(server, wanted)).json()
    assert body["response_types"] == ["code"]
    assert body["grant_types"] == ["authorization_code", "refresh_token"]
    for types in (["id_token", "code id_token"], ["code", 5], "code id_token"):
        refused = await register(server, {**wanted, "response_types": types})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
    contradiction = await register(server, {**WEB, "response_types": ["code"], "grant_types": grants})
    assert contradiction.status_code == 400, "section 2.1: what is served stays as the client says it"


@OPEN
@pytest.mark.parametrize("said", [{"application_type": "web"}, {}, {"application_type": "native"}])
async def test_a_client_with_a_private_use_scheme_is_native_whatever_it_says(
    server: RunningServer, said: dict[str, str]
) -> None:
    """Section 3.2.1: the server may replace a value, and tells. RFC 8252 sections 7.1 and 8.6 hold for it then."""
    redirect_uris = ["http://localhost:4242", "com.example.agent:/redirect"]
    body = (await register(server, {"redirect_uris": redirect_uris, **said})).json()
    assert body["redirect_uris"] == redirect_uris
    assert body["application_type"] == "native"
    vague = await register(server, {"redirect_uris": ["agent:/redirect"], **said})
    assert (vague.status_code, vague.json()["error"]) == (400, "invalid_redirect_uri")


IMPLICIT = pytest.mark.parametrize(
    "overrides",
    [{"client_registration": "open", "response_types": ("code", "id_token", "code id_token")}],
    indirect=True,
)
ON_LOOPBACK = (
    "http://localhost/cb",
    "http://127.0.0.1:5000/cb",
    "https://localhost/cb",
    "https://LOCALHOST:8443/cb",
    "https://app.localhost./cb",
    "https://127.0.0.1/cb",
    "https://[::1]/cb",
)


@IMPLICIT
@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
async def test_tokens_of_a_web_client_go_through_browsers_to_https_and_not_to_localhost(
    server: RunningServer, response_type: str
) -> None:
    """OpenID Connect Registration section 2, application_type: the server must verify it."""
    grants = ["implicit", *(["authorization_code"] if "code" in response_type else [])]
    asked: dict[str, Any] = {**WEB, "response_types": [response_type], "grant_types": grants}
    for uri in ON_LOOPBACK:
        for said in ({}, {"application_type": "web"}):
            answer = await register(server, {**asked, **said, "redirect_uris": [*WEB["redirect_uris"], uri]})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri"), uri
            server.clock.advance(60)
    assert (await register(server, asked)).status_code == 201
    native = {**asked, "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"]}
    assert (await register(server, native)).status_code == 201


@IMPLICIT
async def test_a_code_may_go_to_localhost_and_tokens_in_the_browser_are_left_out(server: RunningServer) -> None:
    """OpenID Connect Registration section 2: it is the implicit grant that needs https; RFC 7592 section 2.2."""
    asked: dict[str, Any] = {**WEB, "redirect_uris": ["http://localhost/cb", "https://localhost/cb"]}
    answer = await register(server, asked)
    assert answer.status_code == 201
    body = answer.json()
    more = {"response_types": ["code", "code id_token"], "grant_types": ["authorization_code", "implicit"]}
    async with server.http(headers={"authorization": f"Bearer {body['registration_access_token']}"}) as http:
        url = body["registration_client_uri"]
        update = await http.put(url, json={**asked, **more, "client_id": body["client_id"]})
    assert update.status_code == 200
    assert (update.json()["response_types"], update.json()["grant_types"]) == (["code"], ["authorization_code"])
    answer = await register(server, {**asked, **more})
    assert (answer.status_code, answer.json()["response_types"]) == (201, ["code"])


@IMPLICIT
async def test_an_operator_may_register_localhost_for_tokens_and_the_client_may_keep_it(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    """OpenID Connect Registration section 2 is about clients that register themselves; others are being developed."""
    decided: dict[str, Any] = {
        "redirect_uris": ["http://localhost/cb"],
        "response_types": ["code", "code id_token"],
        "grant_types": ["authorization_code", "implicit"],
    }
    body = (await register(server, WEB)).json()
    operator = ServerProcess.beside(server.settings, tmp_path)
    words = ("client", "update", body["client_id"], "--metadata", "-")
    await asyncio.to_thread(lambda: operator.cli(*words, stdin=json.dumps(decided)))
    server.services.registry.clear()
    rp = RelyingParty(server, body["client_id"], body["client_secret"], redirect_uri="http://localhost/cb")
    await person.visit(rp.url(response_type="code id_token", prompt="none"))
    assert person.answer()["error"] == "login_required"
    async with server.http(headers={"authorization": f"Bearer {body['registration_access_token']}"}) as http:
        replacement = {**WEB, "client_id": body["client_id"], "client_name": "New Name"}
        update = await http.put(body["registration_client_uri"], json=replacement)
    assert update.status_code == 200, update.text
    assert {name: update.json()[name] for name in decided} == decided


@OPEN
async def test_a_public_client_gets_no_secret(server: RunningServer) -> None:
    """Section 3.2.1: client_secret_expires_at comes with a secret only."""
    body = (await register(server, {**WEB, "token_endpoint_auth_method": "none"})).json()
    assert not {"client_secret", "client_secret_expires_at"} & body.keys()


@OPEN
async def test_a_body_that_is_no_json_object_is_refused(server: RunningServer) -> None:
    """Section 3.1."""
    async with server.http() as http:
        for content, content_type in NO_JSON:
            response = await http.post("/register", content=content, headers={"content-type": content_type})
            assert response.status_code == 400, content
            assert response.json()["error"] == "invalid_client_metadata", content


@OPEN
async def test_a_huge_body_is_refused(server: RunningServer) -> None:
    assert (await register(server, {**WEB, "client_name": "a" * 70_000})).status_code == 413


@OPEN
async def test_registering_is_throttled_by_address(server: RunningServer) -> None:
    """Section 5: an open endpoint must not be a way to fill the database."""
    statuses = [(await register(server, WEB)).status_code for _ in range(25)]
    assert statuses[:20] == [201] * 20
    assert statuses[-1] == 429
    assert (await register(server, WEB, address="198.51.100.7")).status_code == 201
    server.clock.advance(3600)
    assert (await register(server, WEB)).status_code == 201


@OPEN
async def test_scripts_of_any_origin_may_register(server: RunningServer) -> None:
    """Section 3 with RFC 9700 section 2.6: applications in browsers register too; there are no cookies involved."""
    async with server.http() as http:
        response = await http.post("/register", json=WEB, headers={"origin": "https://spa.example"})
    assert response.headers["access-control-allow-origin"] == "*"


@OPEN
async def test_what_the_server_goes_to_must_not_be_inside(server: RunningServer) -> None:
    """Section 5: a stranger's registration must not lead the server to what only it can reach."""
    for inside in ("https://10.0.0.1/logout", "https://[::1]/logout", "https://169.254.169.254/"):
        answer = await register(server, {**WEB, "backchannel_logout_uri": inside})
        assert answer.json()["error"] == "invalid_client_metadata"
        assert "OSTIARY_FETCH_PRIVATE_ADDRESSES" in answer.json()["error_description"], "what the operator may look up"
    assert (await register(server, {**WEB, "redirect_uris": ["http://127.0.0.1/cb"]})).status_code == 201


@OPEN
async def test_the_password_grant_is_named_as_not_supported(server: RunningServer) -> None:
    """RFC 9700 section 2.4."""
    for grants in (["password"], ["authorization_code", "password"]):
        answer = await register(server, {**WEB, "grant_types": grants})
        assert answer.json()["error_description"] == "grant_types: password is not supported (RFC 9700 section 2.4)"


@OPEN
async def test_members_that_the_server_does_not_know_are_left_out(server: RunningServer) -> None:
    """Section 2: it must ignore them."""
    answer = await register(server, {**WEB, "redirect_uri": "https://client.example/cb"})
    assert answer.status_code == 201
    assert "redirect_uri" not in answer.json()


@pytest.mark.parametrize(
    "overrides",
    [{"client_registration": mode, "fetch_private_addresses": True} for mode in ("open", "token")],
    indirect=True,
)
async def test_who_may_not_register_makes_the_server_look_at_nothing(server: RunningServer) -> None:
    """Section 5: a made-up token is refused before anything is validated or fetched, and is no way round the limit."""
    async with Receiver() as receiver:
        fetched = {**WEB, "subject_type": "pairwise", "sector_identifier_uri": f"{receiver.origin}/sector"}
        for metadata in (fetched, {"redirect_uris": 5}):
            answer = await register(server, metadata, "oia_wrong")
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert receiver.requests == []


@OPEN
async def test_a_request_uri_must_not_lead_inside(server: RunningServer) -> None:
    """RFC 9101 section 10.4.1: the server fetches it."""
    for inside in ("https://10.0.0.1/request.jwt", "https://[::1]/request.jwt#digest"):
        answer = await register(server, {**WEB, "request_uris": [inside]})
        assert answer.json()["error"] == "invalid_client_metadata", inside
    assert (await register(server, {**WEB, "request_uris": ["https://client.example/r#x"]})).status_code == 201
