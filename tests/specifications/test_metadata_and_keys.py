"""RFC 7517, the rotation of signing keys, and who may read answers from another origin. Ready for the Config plan."""

import asyncio

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from server.background import Background
from server.events.context import CLI
from server.storage import signing_keys
from server.tokens import key_rotation
from tests.conftest import SettingsFor
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import FakeClock, RunningServer

DAY = 86_400


async def test_scripts_of_other_origins_may_read_metadata_and_keys(server: RunningServer) -> None:
    """RFC 9700 section 2.6: not the authorization endpoint."""
    async with server.http(headers={"origin": "https://spa.example"}) as http:
        for path in ("/.well-known/openid-configuration", "/jwks"):
            assert (await http.get(path)).headers["access-control-allow-origin"] == "*"
        preflight = await http.options("/token", headers={"access-control-request-method": "POST"})
        assert preflight.status_code == 204
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        for path in ("/authorize", "/account", "/end-session"):
            assert "access-control-allow-origin" not in (await http.get(path)).headers


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_scripts_of_other_origins_may_read_why_they_were_refused(server: RunningServer, accept: str) -> None:
    """Fetch Standard section 3.3: without the header a script sees a network error, whatever was answered."""
    large = {"a": "b" * 70_000}
    async with server.http(headers={"origin": "https://spa.example", "accept": accept}) as http:
        for answer, status in (
            (await http.get("/token"), 405),
            (await http.delete("/userinfo"), 405),
            (await http.post("/jwks"), 405),
            (await http.post("/.well-known/openid-configuration"), 405),
            (await http.post("/token", data=large), 413),
            (await http.post("/userinfo", data=large), 413),
        ):
            assert answer.status_code == status
            assert answer.json()["error"] == "invalid_request"
            assert answer.headers.get_list("access-control-allow-origin") == ["*"]
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
        for answer in (await http.delete("/authorize"), await http.post("/authorize", data=large)):
            assert answer.status_code in (405, 413)
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_scripts_of_other_origins_may_read_that_the_database_is_gone(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """Fetch Standard section 3.3: and when to come back."""
    tokens = await rp.sign_in(person)
    database = server.services.database
    broken = type(database)("postgresql://ostiary@/x?host=/nonexistent", pool_size=1)  # type: ignore[call-arg]
    server.services.database = broken
    answers = [await rp.refresh(tokens["refresh_token"]), await rp.userinfo(tokens["access_token"])]
    server.services.database = database
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["retry-after"]
        assert "retry-after" in answer.headers["access-control-expose-headers"]


async def test_the_jwk_set_has_public_keys_only_and_can_be_cached(server: RunningServer) -> None:
    """RFC 7517 section 5; oidcc-server checks for private members and distinct ids."""
    async with server.http() as http:
        response = await http.get("/jwks")
        keys = response.json()["keys"]
        assert response.headers["cache-control"] == "public, max-age=300"
        assert not {"d", "p", "q", "k"} & {member for key in keys for member in key}
        assert all(key["use"] == "sig" and key["kid"] and key["alg"] == "RS256" for key in keys)
        again = await http.get("/jwks", headers={"if-none-match": response.headers["etag"]})
        assert again.status_code == 304


class CachingVerifier:
    """A resource server that honours `Cache-Control`: it fetches the keys again only when max-age is over."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.fetched_at: int | None = None
        self.keys = KeySet([])

    async def verify(self, token: str) -> str:
        now = self.server.clock.now()
        if self.fetched_at is None or now - self.fetched_at >= 300:
            async with self.server.http() as http:
                self.keys = KeySet.import_key_set((await http.get("/jwks")).json())
            self.fetched_at = now
        return str(jwt.decode(token, self.keys, algorithms=["RS256"]).header["kid"])


@pytest.mark.parametrize("overrides", [{"key_rotation_seconds": DAY}], indirect=True)
async def test_rotation_fails_no_verification_at_a_client_that_honours_caching(server: RunningServer) -> None:
    secret = await server.add_service()
    service = RelyingParty(server, "service", secret)
    background = Background(server.services)
    verifier = CachingVerifier(server)
    kids: list[str] = []
    token = ""
    for _ in range(2 * DAY // 97):
        server.clock.advance(97)
        await background.rotate()
        await background.refresh()
        if token:
            await verifier.verify(token)  # the one before, perhaps signed by the key before
        token = (await service.post("/token", grant_type="client_credentials")).json()["access_token"]
        kid = await verifier.verify(token)
        if kid not in kids:
            kids.append(kid)
    assert len(kids) == 2 or len(kids) == 3


async def test_of_two_nodes_one_rotates(settings_for: SettingsFor, clock: FakeClock, backend: str) -> None:
    """On SQLite there is one node; its two rounds at once stand for two."""
    settings = settings_for(key_rotation_seconds=3600)
    async with RunningServer(settings, clock) as first:
        backgrounds = [Background(first.services), Background(first.services)]
        second = None
        if backend == "postgresql":
            second = RunningServer(settings, clock)
            await second.__aenter__()
            backgrounds[1] = Background(second.services)
        try:
            clock.advance(3300)
            await asyncio.gather(*(background.rotate() for background in backgrounds))
            keys = await first.run(signing_keys.list_keys)
            assert sorted(key.state.value for key in keys) == ["active", "next"]
            clock.advance(400)
            await asyncio.gather(*(background.rotate() for background in backgrounds))
            keys = await first.run(signing_keys.list_keys)
            assert sorted(key.state.value for key in keys) == ["active", "retiring"]
        finally:
            if second is not None:
                await second.__aexit__(None, None, None)


async def test_a_revoked_key_verifies_nothing_any_more(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    tokens = await rp.sign_in(person)
    header, _ = await rp.verified(tokens["access_token"])
    now = server.clock.now()
    await server.run(lambda db: key_rotation.revoke(db, header["kid"], context=CLI, now=now))
    background = Background(server.services)
    await background.rotate()
    await background.refresh()
    assert (await rp.userinfo(tokens["access_token"])).status_code == 401
    async with server.http() as http:
        kids = [key["kid"] for key in (await http.get("/jwks")).json()["keys"]]
    assert header["kid"] not in kids
    assert len(kids) == 1
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200
