"""What a request may look like, and which scripts may read the answer."""

from dataclasses import replace

import pytest
from starlette.routing import Route

from server.api.call import Call, Reply
from server.api.routes import OPERATIONS
from server.api.routes import Api as AnyApi
from tests.api.documented import EMAIL, Api
from tests.support.server import PASSWORD, RunningServer

LOGIN = "/api/auth/login"


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b'{"email": "a@example.com", "password": "x"}', "application/json", 401),
        (b'{"email": "a@example.com", "password": "x", "more": [1]}', "application/json; charset=UTF-8", 401),
        (b'{"email": "a@example.com", "password": "x"}', "text/plain", 415),
        (b'{"email": "a@example.com", "password": "x"}', "application/json; charset=latin-1", 415),
        (b"email=a%40example.com&password=x", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"email": "\xff"}', "application/json", 400),
        (b'{"email": "a", "email": "b", "password": "x"}', "application/json", 400),
        (b'{"email": "\\ud800", "password": "x"}', "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b'{"email": NaN}', "application/json", 400),
        (b"{}", "application/json", 422),
        (b'{"password": "x"}', "application/json", 422),
        (b'{"email": null, "password": "x"}', "application/json", 422),
        (b'{"email": 1, "password": "x"}', "application/json", 422),
        (b'{"email": "a\\u0000b", "password": "x"}', "application/json", 422),
        (b'{"email": "' + b"a" * 1025 + b'", "password": "x"}', "application/json", 422),
        (b'{"email": "' + b"a" * 65536 + b'", "password": "x"}', "application/json", 413),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_body_is_read_in_one_way_or_refused(
    server: RunningServer, content: bytes, media_type: str, status: int
) -> None:
    async with server.http() as http:
        response = await http.post(LOGIN, content=content, headers={"content-type": media_type})
    assert response.status_code == status
    assert isinstance(response.json()["detail"], str)
    assert response.headers["content-type"] == "application/json"


async def test_members_that_are_missing_are_named(api: Api) -> None:
    response = await api.post("/register", email="bob@example.com")
    assert response.json() == {
        "detail": "password is required. name is required.",
        "errors": [
            {"member": "password", "message": "password is required."},
            {"member": "name", "message": "name is required."},
        ],
    }


async def test_unknown_paths_and_methods_are_answered_in_json(server: RunningServer) -> None:
    async with server.http(headers={"accept": "text/html"}) as http:
        missing = await http.get("/api/auth/nothing")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Not found"})
        assert (await http.get("/api/")).status_code == 404
        wrong = await http.get(LOGIN)
        assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method not allowed"})
        assert wrong.headers["allow"] == "POST, OPTIONS"
        head = await http.head("/api/auth/me")
        assert (head.status_code, head.headers["cache-control"]) == (401, "no-store")


async def test_a_token_in_the_query_or_beside_another_is_not_taken(api: Api) -> None:
    """RFC 9700 section 4.3.2; RFC 6750 section 2."""
    token = (await api.log_in())["access_token"]
    response = await api.http.get(f"/api/auth/me?access_token={token}")
    assert response.json() == {"detail": "Not authenticated"}
    twice = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    assert (await api.http.get("/api/auth/me", headers=twice)).status_code == 401


async def test_cookies_of_the_pages_mean_nothing_here(api: Api) -> None:
    api.http.cookies.set("__Host-ostiary_session", "ost_anything")
    assert (await api.get("/me")).json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("overrides", [{"issuer": "https://example.com/login"}], indirect=True)
async def test_an_issuer_with_a_path_has_the_api_below_it(server: RunningServer) -> None:
    await server.add_person()
    async with server.http() as http:
        response = await http.post(
            "https://example.com/login/api/auth/login", json={"email": EMAIL, "password": PASSWORD}
        )
        assert response.status_code == 200
        document = (await http.get("https://example.com/login/api/openapi.json")).json()
        assert document["servers"] == [{"url": "https://example.com/login"}]
        assert (await http.get("https://example.com/api/auth/me")).status_code == 404


async def test_scripts_of_first_party_clients_may_read_answers_and_others_not(server: RunningServer) -> None:
    """Fetch Standard section 3.3 (CORS protocol)."""
    uris = ["https://app.example:8443/cb", "https://app2.example:443/cb", "com.example.app:/cb"]
    await server.add_client(
        "own", skip_consent=True, redirect_uris=uris[:2], token_endpoint_auth_method="none", scope="openid"
    )
    await server.add_client("foreign", redirect_uris=["https://foreign.example/cb"])
    async with server.http() as http:
        for origin in ("https://app.example:8443", "https://app2.example"):
            preflight = await http.options(LOGIN, headers={"origin": origin, "access-control-request-method": "POST"})
            assert preflight.status_code == 204
            assert preflight.headers["access-control-allow-origin"] == origin
            assert preflight.headers["access-control-allow-methods"] == "POST"
            assert "authorization" in preflight.headers["access-control-allow-headers"]
            for response in (
                await http.get("/api/auth/me", headers={"origin": origin}),
                await http.post(LOGIN, content=b"{", headers={"origin": origin, "content-type": "application/json"}),
                await http.get("/api/auth/nothing", headers={"origin": origin}),
            ):
                assert response.headers["access-control-allow-origin"] == origin
                assert "origin" in response.headers["vary"].lower()
                assert "access-control-allow-credentials" not in response.headers
        for origin in ("https://foreign.example", "https://app.example", "null", "http://app2.example", "*"):
            preflight = await http.options(LOGIN, headers={"origin": origin, "access-control-request-method": "POST"})
            assert "access-control-allow-origin" not in preflight.headers
            assert "access-control-allow-methods" not in preflight.headers
            answer = await http.get("/api/auth/me", headers={"origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            assert "origin" in answer.headers["vary"].lower()


async def test_scripts_of_first_party_clients_may_read_why_they_were_refused(server: RunningServer) -> None:
    """Fetch Standard section 3.3: without the header a script sees a network error, whatever was answered."""
    await server.add_client("own", skip_consent=True, redirect_uris=["https://app.example/cb"])
    for origin, expected in (("https://app.example", ["https://app.example"]), ("https://foreign.example", [])):
        async with server.http(headers={"origin": origin}) as http:
            refused = [(405, await http.get(LOGIN)), (413, await http.post(LOGIN, json={"email": "a" * 65536}))]
            for status, answer in refused:
                assert answer.status_code == status
                assert answer.headers.get_list("access-control-allow-origin") == expected
                assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_without_the_database_scripts_may_read_that_if_they_could_read_answers_before(
    server: RunningServer,
) -> None:
    await server.add_client("own", skip_consent=True, redirect_uris=["https://app.example/cb"])
    database = server.services.database
    broken = type(database)("postgresql://ostiary@/x?host=/nonexistent", pool_size=1)  # type: ignore[call-arg]
    async with server.http() as http:
        await http.get("/api/auth/me", headers={"origin": "https://app.example"})
        server.services.database = broken
        answers = [
            await http.get("/api/auth/me", headers={"origin": origin})
            for origin in ("https://app.example", "https://foreign.example")
        ]
        server.services.database = database
    assert [answer.status_code for answer in answers] == [503, 503]
    found = [answer.headers.get("access-control-allow-origin") for answer in answers]
    assert found == ["https://app.example", None]
    assert "retry-after" in answers[0].headers["access-control-expose-headers"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_scripts_of_first_party_clients_may_read_that_there_was_an_accident(server: RunningServer) -> None:
    await server.add_client("own", skip_consent=True, redirect_uris=["https://app.example/cb"])

    async def bug(call: Call) -> Reply:
        raise LookupError(call)

    operation = replace(OPERATIONS[0], method="GET", path="/api/bug", body=None, is_bearer=False, handler=bug)
    server.app.router.routes.insert(0, Route("/api/bug", AnyApi("", (operation,))))
    async with server.http() as http:
        for origin, expected in (("https://app.example", "https://app.example"), ("https://foreign.example", None)):
            answer = await http.get("/api/bug", headers={"origin": origin})
            assert answer.status_code == 500
            assert answer.headers.get("access-control-allow-origin") == expected


async def test_a_client_that_is_no_longer_first_party_loses_its_origin_at_once(server: RunningServer) -> None:
    await server.add_client("own", skip_consent=True, redirect_uris=["https://app.example/cb"])
    async with server.http(headers={"origin": "https://app.example"}) as http:
        assert "access-control-allow-origin" in (await http.get("/api/auth/me")).headers
        await server.change_client("own", skip_consent=False)
        assert "access-control-allow-origin" not in (await http.get("/api/auth/me")).headers
