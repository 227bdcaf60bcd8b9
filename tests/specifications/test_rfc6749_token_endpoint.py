"""RFC 6749 section 3.2: client authentication, codes, client credentials, errors."""

import asyncio
import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from server.storage import clients
from tests.support.client_assertion import authenticate
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def test_a_code_is_good_for_60_seconds(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """OAuth 2.1 section 7.5."""
    code = await rp.code_for(person)
    server.clock.advance(59)
    assert (await rp.redeem(code)).status_code == 200
    code = await rp.code_for(person)
    server.clock.advance(60)
    response = await rp.redeem(code)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"


async def test_a_code_redeemed_twice_revokes_the_tokens_it_gave(person: Person, rp: RelyingParty) -> None:
    """RFC 9700 section 4.5; oidcc-codereuse."""
    code = await rp.code_for(person)
    tokens = (await rp.redeem(code)).json()
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200
    assert (await rp.redeem(code)).json()["error"] == "invalid_grant"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_replay_30_seconds_later_revokes_too(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """oidcc-codereuse-30seconds."""
    code = await rp.code_for(person)
    tokens = (await rp.redeem(code)).json()
    server.clock.advance(3600)
    assert (await rp.redeem(code)).json()["error"] == "invalid_grant"
    assert (await rp.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://client.example/other"},
        {"redirect_uri": None},
        {"code_verifier": "x" * 43},
        {"code_verifier": None},
        {"code_verifier": "short"},
    ],
)
async def test_a_wrong_request_is_refused_and_uses_nothing_up(
    person: Person, rp: RelyingParty, changes: dict[str, str | None]
) -> None:
    """RFC 6749 section 4.1.3, RFC 7636 section 4.6."""
    code = await rp.code_for(person)
    response = await rp.redeem(code, **changes)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
    tokens = (await rp.redeem(code)).json()
    assert (await rp.redeem(code, **changes)).json()["error"] == "invalid_grant"
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200


async def test_an_unknown_code_is_refused(rp: RelyingParty) -> None:
    assert (await rp.redeem("oac_unknown")).json()["error"] == "invalid_grant"


async def test_a_code_is_bound_to_its_client(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """RFC 6749 section 4.1.3."""
    secret = await server.add_client("other")
    other = RelyingParty(server, "other", secret, verifier=rp.verifier)
    code = await rp.code_for(person)
    assert (await other.redeem(code)).json()["error"] == "invalid_grant"
    assert (await rp.redeem(code)).status_code == 200


async def test_a_public_client_redeems_with_its_id_alone(server: RunningServer, person: Person) -> None:
    await server.add_client("spa", token_endpoint_auth_method="none")
    rp = RelyingParty(server, "spa")
    tokens = await rp.sign_in(person)
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200
    response = await rp.post("/token", grant_type="refresh_token", client_id="spa", client_secret="x")
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, 400, "unsupported_grant_type"),
        ({"grant_type": 'x"\\'}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "unauthorized_client"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "ort_x"}, 400, "invalid_grant"),
    ],
)
async def test_each_error_has_its_code(rp: RelyingParty, form: dict[str, str], status: int, error: str) -> None:
    """RFC 6749 section 5.2."""
    response = await rp.post("/token", **form)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"


async def test_client_credentials_give_a_token_about_the_client(server: RunningServer) -> None:
    """RFC 6749 section 4.4, RFC 9068 section 2.2."""
    secret = await server.add_service()
    service = RelyingParty(server, "service", secret)
    body = (await service.post("/token", grant_type="client_credentials")).json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    header, claims = await service.verified(body["access_token"])
    assert header["typ"] == "at+jwt"
    assert claims["sub"] == claims["client_id"] == "service"
    assert claims["aud"] == server.issuer
    assert claims["scope"] == "read:things"
    assert claims["exp"] - claims["iat"] == 600
    assert (await service.userinfo(body["access_token"])).status_code == 401


@pytest.mark.parametrize(
    ("scope", "is_granted"),
    [("read:things", True), ("write:things", False), ("openid", False), ("offline_access", False), ("a" * 1100, False)],
)
async def test_client_credentials_give_registered_scopes_only(
    server: RunningServer, scope: str, *, is_granted: bool
) -> None:
    """RFC 6749 section 3.3."""
    secret = await server.add_service(scope="read:things openid offline_access")
    service = RelyingParty(server, "service", secret)
    response = await service.post("/token", grant_type="client_credentials", scope=scope)
    if is_granted:
        assert response.json()["scope"] == scope
    else:
        assert response.json()["error"] == "invalid_scope"


async def test_a_refused_scope_is_named_only_where_it_is_one_of_ours(server: RunningServer) -> None:
    """Section 5.2: who develops the client learns which; what we do not know is never said back."""
    service = RelyingParty(server, "service", await server.add_service(scope="read:things"))
    response = await service.post("/token", grant_type="client_credentials", scope="read:things profile")
    assert response.json()["error_description"] == "The client is not registered for the scope profile"
    response = await service.post("/token", grant_type="client_credentials", scope="read:things evil:scope")
    assert response.json()["error_description"] == "A requested scope is unknown"


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def test_only_one_authentication_method_and_only_the_registered_one(server: RunningServer) -> None:
    """RFC 6749 section 2.3."""
    secret = await server.add_service()
    form = {"grant_type": "client_credentials"}
    async with server.http() as http:
        good = await http.post("/token", data=form, headers=_basic("service", secret))
        assert good.status_code == 200
        post = await http.post("/token", data={**form, "client_id": "service", "client_secret": secret})
        assert (post.status_code, post.json()["error"]) == (401, "invalid_client")
        both = await http.post("/token", data={**form, "client_secret": secret}, headers=_basic("service", secret))
        assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
        none = await http.post("/token", data={**form, "client_id": "service"})
        assert (none.status_code, none.json()["error"]) == (401, "invalid_client")
        nothing = await http.post("/token", data=form)
        assert (nothing.status_code, nothing.json()["error"]) == (401, "invalid_client")
        mixed = await http.post("/token", data={**form, "client_id": "x"}, headers=_basic("service", secret))
        assert mixed.json()["error"] == "invalid_request"


async def test_a_public_client_may_name_itself_with_an_empty_secret(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 6749 section 2.3.1: an empty secret is none. It proves nothing for a client that has one."""
    await server.add_client("app", token_endpoint_auth_method="none")
    app = RelyingParty(server, "app")
    form = {
        "grant_type": "authorization_code",
        "code": await app.code_for(person),
        "redirect_uri": app.redirect_uri,
        "code_verifier": app.verifier,
    }
    async with server.http() as http:
        guessed = await http.post("/token", data=form, headers=_basic("app", "x"))
        assert (guessed.status_code, guessed.json()["error"]) == (401, "invalid_client")
        assert (await http.post("/token", data=form, headers=_basic("app", ""))).status_code == 200
        form["code"] = await rp.code_for(person)
        nothing = await http.post("/token", data=form, headers=_basic(rp.client_id, ""))
        assert (nothing.status_code, nothing.json()["error"]) == (401, "invalid_client")
        assert nothing.headers["www-authenticate"].startswith('Basic realm="')


async def test_an_unknown_client_and_a_wrong_secret_get_the_same_answer(server: RunningServer) -> None:
    await server.add_service()
    form = {"grant_type": "client_credentials"}
    async with server.http() as http:
        wrong = await http.post("/token", data=form, headers=_basic("service", "wrong"))
        unknown = await http.post("/token", data=form, headers=_basic("nobody", "wrong"))
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert wrong.headers["www-authenticate"] == unknown.headers["www-authenticate"]
    assert wrong.headers["www-authenticate"].startswith('Basic realm="')


async def test_guessing_secrets_is_slowed_down_and_the_right_one_still_gets_in(server: RunningServer) -> None:
    secret = await server.add_service()
    form = {"grant_type": "client_credentials"}
    async with server.http() as http:
        statuses = [
            (await http.post("/token", data=form, headers=_basic("service", "wrong"))).status_code for _ in range(25)
        ]
        assert statuses[0] == 401
        assert statuses[-1] == 429
        assert (await http.post("/token", data=form, headers=_basic("service", secret))).status_code == 200


async def test_credentials_and_queries_do_not_mix(server: RunningServer) -> None:
    """RFC 6749 section 2.3.1."""
    secret = await server.add_client("poster", token_endpoint_auth_method="client_secret_post")
    async with server.http() as http:
        response = await http.post(
            f"/token?client_secret={secret}", data={"grant_type": "refresh_token", "client_id": "poster"}
        )
        assert response.json()["error"] == "invalid_request"
        for headers in ({"content-type": "application/json"}, {"content-type": "multipart/form-data; boundary=x"}):
            response = await http.post("/token", content=b"{}", headers=headers)
            assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
        assert (await http.get("/token")).status_code == 405
        repeated = b"grant_type=client_credentials&grant_type=client_credentials"
        response = await http.post(
            "/token", content=repeated, headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert response.json()["error"] == "invalid_request"


async def test_an_old_secret_works_until_its_overlap_ends(server: RunningServer) -> None:
    old = await server.add_service()
    now = server.clock.now()
    await server.run(lambda db: clients.expire_secrets(db, "service", now + 60))
    server.services.registry.clear()
    form = {"grant_type": "client_credentials"}
    async with server.http() as http:
        assert (await http.post("/token", data=form, headers=_basic("service", old))).status_code == 200
        server.clock.advance(60)
        assert (await http.post("/token", data=form, headers=_basic("service", old))).status_code == 401


class Signer:
    """A client that authenticates with its private key."""

    def __init__(self, server: RunningServer, key: Any, algorithm: str) -> None:
        self.server = server
        self.key = key
        self.algorithm = algorithm
        self.count = 0

    def assertion(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        self.count += 1
        now = self.server.clock.now()
        claims = {
            "iss": "signer",
            "sub": "signer",
            "aud": self.server.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": f"id-{self.count}",
        }
        merged = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode({"alg": self.algorithm, **(header or {})}, merged, self.key, algorithms=[self.algorithm])

    async def send(self, assertion: str, **form: str) -> tuple[int, dict[str, Any]]:
        response = await authenticate(self.server, assertion, **form)
        return response.status_code, response.json()


@pytest.fixture(params=["RS256", "PS256", "ES256"])
async def signer(server: RunningServer, request: pytest.FixtureRequest) -> Signer:
    algorithm = str(request.param)
    key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(2048)
    public = key.as_dict(private=False)
    await server.add_service("signer", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public]})
    return Signer(server, key, algorithm)


async def test_a_client_authenticates_with_its_private_key_once_per_assertion(signer: Signer) -> None:
    """RFC 7523 section 3."""
    assertion = signer.assertion()
    assert (await signer.send(assertion))[0] == 200
    status, body = await signer.send(assertion)
    assert (status, body["error"]) == (401, "invalid_client")
    assert (await signer.send(signer.assertion(aud=signer.server.issuer + "/token")))[0] == 200


async def test_a_wrong_assertion_is_refused(signer: Signer) -> None:
    """RFC 7523 section 3, RFC 8725."""
    now = signer.server.clock.now()
    wrong: list[dict[str, Any]] = [
        {"aud": "https://other.example"},
        {"aud": [signer.server.issuer]},
        {"iss": "somebody"},
        {"sub": "nobody"},
        {"exp": None},
        {"exp": now - 61},
        {"exp": now + 4000},
        {"jti": None},
        {"jti": "x" * 300},
        {"nbf": now + 4000},
    ]
    for changes in wrong:
        status, body = await signer.send(signer.assertion(**changes))
        assert (status, body["error"]) == (401, "invalid_client"), changes
    other = Signer(signer.server, RSAKey.generate_key(2048), "RS256")
    assert (await signer.send(other.assertion(jti="other")))[0] == 401
    hmac = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    assert (await signer.send(f"{hmac}.{signer.assertion().split('.')[1]}."))[0] == 401


@pytest.mark.parametrize("overrides", [{"argon2_time_cost": 10, "argon2_memory_kib": 65_536}], indirect=True)
async def test_a_login_flood_does_not_hold_up_the_token_endpoint(server: RunningServer) -> None:
    """Client secrets are random and never meet argon2."""
    secret = await server.add_service()
    async with server.http() as http:
        flood = [asyncio.create_task(server.services.hasher.verify(None, "a guess")) for _ in range(8)]
        response = await http.post(
            "/token", data={"grant_type": "client_credentials"}, headers=_basic("service", secret)
        )
        assert (response.status_code, any(task.done() for task in flood)) == (200, False)
        await asyncio.gather(*flood)
