"""The OpenAPI document and the page that shows it."""

from html.parser import HTMLParser
from typing import Any

import jsonschema_rs
import pytest

from server.api.routes import OPERATIONS
from tests.support.server import RunningServer

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
CONTRACT = {
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/token"),
    ("POST", "/api/auth/mfa/challenge"),
    ("POST", "/api/auth/mfa/setup"),
    ("POST", "/api/auth/mfa/verify"),
    ("POST", "/api/auth/mfa/disable"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("GET", "/api/auth/me"),
    ("PATCH", "/api/auth/me"),
    ("DELETE", "/api/auth/me"),
    ("POST", "/api/auth/password/forgot"),
    ("POST", "/api/auth/password/reset"),
    ("POST", "/api/auth/password/change"),
    ("POST", "/api/auth/email/verify"),
    ("POST", "/api/auth/email/resend"),
    ("GET", "/api/auth/sessions"),
    ("DELETE", "/api/auth/sessions"),
    ("DELETE", "/api/auth/sessions/{id}"),
    ("GET", "/api/auth/export"),
}


async def _document(server: RunningServer) -> dict[str, Any]:
    async with server.http() as http:
        response = await http.get("/api/openapi.json")
    assert response.headers["content-type"] == "application/json"
    document: dict[str, Any] = response.json()
    return document


async def test_the_document_has_every_call_and_no_other(server: RunningServer) -> None:
    document = await _document(server)
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == CONTRACT == {(operation.method, operation.path) for operation in OPERATIONS}
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


async def test_every_example_fits_its_schema(server: RunningServer) -> None:
    document = await _document(server)
    checked = 0
    for item in document["paths"].values():
        for operation in item.values():
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for described in (*bodies, *operation["responses"].values()):
                for content in described.get("content", {}).values():
                    if "example" in content:
                        schema = {**content["schema"], "components": document["components"]}
                        jsonschema_rs.validate(schema, content["example"])
                        checked += 1
    assert checked > 25


async def test_calls_with_a_token_say_so(server: RunningServer) -> None:
    document = await _document(server)
    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        assert ("security" in described) == operation.is_bearer
        if operation.is_bearer:
            assert {"401", "403"} <= set(described["responses"])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_reference_page_shows_every_call_from_our_own_origin(server: RunningServer) -> None:
    async with server.http(headers={"accept": "text/html"}) as http:
        response = await http.get("/api/docs")
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy
    page = _Page()
    page.feed(response.text)
    loaded = [attrs.get("src") or attrs.get("href") for tag, attrs in page.tags if tag in ("script", "link", "img")]
    assert all(url is not None and url.startswith("/static/") for url in loaded)
    assert not any("style" in attrs or "onclick" in attrs for _, attrs in page.tags)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    for operation in OPERATIONS:
        assert f"#{operation.id}" in links
        assert operation.id in ids
        assert operation.path in page.text
    assert "/api/openapi.json" in links
    assert "`" not in page.text
