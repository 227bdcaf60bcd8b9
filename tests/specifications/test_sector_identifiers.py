"""Sector identifier URIs: OpenID Connect Core section 8.1, Dynamic Client Registration 1.0 section 5."""

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.metadata import InvalidClientMetadata
from clients.sector import sector_of
from server.outbound.sector_identifier import check_sector
from tests.conftest import SettingsFor
from tests.keys.material import key_pair
from tests.support.process import free_port
from tests.support.receiver import Answer, Receiver
from tests.support.server import FakeClock, RunningServer
from tests.support.tls import TlsFront

ADDRESSES = ["https://a.example/cb", "https://b.example/cb"]
CLIENT: dict[str, Any] = {"redirect_uris": ADDRESSES, "subject_type": "pairwise"}
DEVICE: dict[str, Any] = {
    "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
    "response_types": [],
    "subject_type": "pairwise",
}
KEYS = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a.example/keys"}
VICTIM = ["https://a.example/cb"]
WITHOUT_PROOF: list[dict[str, Any]] = [
    {**CLIENT, "redirect_uris": ["com.evil.app://a.example/cb"], "application_type": "native"},
    {**DEVICE, "redirect_uris": VICTIM},
    {**DEVICE, "redirect_uris": VICTIM, "token_endpoint_auth_method": "none"},
    {**DEVICE, "redirect_uris": VICTIM, **KEYS, "token_endpoint_auth_method": "client_secret_basic"},
    {**DEVICE, "redirect_uris": VICTIM, **KEYS, "jwks_uri": "https://evil.example/keys"},
    {**CLIENT, "redirect_uris": VICTIM, "grant_types": ["authorization_code", *DEVICE["grant_types"]]},
    {**DEVICE, **KEYS, "jwks_uri": "http://localhost/keys"},
    {**CLIENT, "redirect_uris": ["http://localhost:3000/cb"]},
]
"""Each would be in the sector of a.example, or in one with all that runs on people's own machines."""
WRONG = (
    Answer(body=json.dumps(ADDRESSES[:1]).encode()),
    Answer(body=b'{"redirect_uris": []}'),
    Answer(body=b"[1, 2]"),
    Answer(body=b"[" * 40_000),
    Answer(body=b"no JSON"),
    Answer(status=404),
    Answer(status=301, headers={"location": "https://a.example/sector.json"}),
    Answer(body=b'"' + b"x" * 70_000 + b'"'),
)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        running.answers["/sector.json"] = Answer(body=json.dumps([*ADDRESSES, "https://c.example/"]).encode())
        yield running


@pytest.fixture
async def front(tmp_path: Path, receiver: Receiver) -> AsyncIterator[TlsFront]:
    async with TlsFront(tmp_path, free_port(), int(receiver.origin.rpartition(":")[2])) as running:
        yield running


@pytest.fixture
async def server(settings_for: SettingsFor, clock: FakeClock, front: TlsFront) -> AsyncIterator[RunningServer]:
    """A server where anybody registers clients."""
    settings = settings_for(client_registration="open", fetch_private_addresses=True, ca_file=front.certificate)
    async with RunningServer(settings, clock) as running:
        yield running


async def _register(server: RunningServer, front: TlsFront, **changes: Any) -> httpx.Response:
    metadata = {**CLIENT, "sector_identifier_uri": f"{front.origin}/sector.json", **changes}
    async with server.http() as http:
        return await http.post("/register", json=metadata)


async def test_clients_of_several_hosts_are_one_sector(server: RunningServer, front: TlsFront) -> None:
    """Section 8.1: the host of the sector_identifier_uri names it."""
    response = await _register(server, front)
    assert response.status_code == 201, response.text
    body = response.json()
    assert body["subject_type"] == "pairwise"
    assert body["sector_identifier_uri"] == f"{front.origin}/sector.json"
    client = await server.services.registry.find(body["client_id"])
    assert client is not None
    assert client.sector == "localhost"


async def test_every_redirect_uri_must_be_listed(server: RunningServer, front: TlsFront) -> None:
    """Dynamic Client Registration section 5: also for a client with public identifiers."""
    for subject_type in ("pairwise", "public"):
        uris = [*ADDRESSES, "https://evil.example/cb"]
        response = await _register(server, front, redirect_uris=uris, subject_type=subject_type)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata")
        assert "without https://evil.example/cb" in response.json()["error_description"]


async def test_what_is_no_list_of_texts_is_refused(server: RunningServer, front: TlsFront, receiver: Receiver) -> None:
    for answer in WRONG:
        receiver.answers["/sector.json"] = answer
        response = await _register(server, front)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata"), answer


async def test_a_document_of_another_media_type_is_none(
    server: RunningServer, front: TlsFront, receiver: Receiver
) -> None:
    receiver.answers["/sector.json"] = Answer(body=json.dumps(ADDRESSES).encode(), content_type="text/html")
    response = await _register(server, front)
    assert response.status_code == 400
    said = "sector_identifier_uri cannot be fetched"
    assert response.json() == {"error": "invalid_client_metadata", "error_description": said}


async def test_who_registers_does_not_learn_where_a_name_leads(
    settings_for: SettingsFor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C076: inside and nowhere are one text, as is an answer that is none; the log has the cause."""

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host == "nowhere.example":
            raise socket.gaierror(-2, "Name or service not known")
        return [(2, 1, 6, "", ("10.0.0.5", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    said = set()
    async with RunningServer(settings_for(client_registration="open"), clock) as running, running.http() as http:
        for host in ("inside.example", "nowhere.example"):
            metadata = {**CLIENT, "sector_identifier_uri": f"https://{host}/sector.json"}
            response = await http.post("/register", json=metadata)
            said.add((response.status_code, response.json()["error_description"]))
    assert said == {(400, "sector_identifier_uri cannot be fetched")}


async def test_an_update_is_checked_as_well(server: RunningServer, front: TlsFront) -> None:
    """RFC 7592 section 2.2."""
    made = (await _register(server, front)).json()
    headers = {"authorization": f"Bearer {made['registration_access_token']}"}
    own = {**CLIENT, "client_id": made["client_id"], "sector_identifier_uri": made["sector_identifier_uri"]}
    async with server.http(headers=headers) as http:
        path = f"/register/{made['client_id']}"
        evil = await http.put(path, json={**own, "redirect_uris": ["https://evil.example/cb"]})
        fine = await http.put(path, json={**own, "redirect_uris": ["https://c.example/"]})
    assert (evil.status_code, evil.json()["error"]) == (400, "invalid_client_metadata")
    assert fine.status_code == 200, fine.text


async def test_a_strangers_update_fetches_nothing(server: RunningServer, front: TlsFront, receiver: Receiver) -> None:
    made = (await _register(server, front)).json()
    fetched = len(receiver.requests)
    async with server.http(headers={"authorization": "Bearer orm_wrong"}) as http:
        response = await http.put(f"/register/{made['client_id']}", json=CLIENT)
    assert response.status_code == 401
    assert len(receiver.requests) == fetched


async def test_nobody_joins_the_sector_of_a_host_without_proof(server: RunningServer) -> None:
    """Core section 8.1, CIBA Core section 4: a host counts where answers go to it, or where the client's keys are."""
    async with server.http() as http:
        for metadata in WITHOUT_PROOF:
            response = await http.post("/register", json=metadata)
            assert (response.status_code, response.json()["error"]) == (400, "invalid_client_metadata"), metadata
        made = await http.post("/register", json={**DEVICE, **KEYS, "redirect_uris": VICTIM})
        alone = await http.post("/register", json={**DEVICE, **KEYS})
    for response in (made, alone):
        assert response.status_code == 201, response.text
        client = await server.services.registry.find(response.json()["client_id"])
        assert client is not None
        assert client.sector == "a.example"


async def test_a_device_is_listed_by_its_keys(server: RunningServer, front: TlsFront, receiver: Receiver) -> None:
    """A document proves nothing about a client of which it could name nothing."""
    inline = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key_pair().public_jwk]}}
    nobody: dict[str, Any]
    for nobody in ({"token_endpoint_auth_method": "none"}, inline, KEYS):
        for redirect_uris in (None, ADDRESSES):
            for subject_type in ("pairwise", "public"):
                given = {**DEVICE, **nobody, "redirect_uris": redirect_uris, "subject_type": subject_type}
                response = await _register(server, front, **given)
                is_fine = subject_type == "public" and redirect_uris is not None and nobody is not KEYS
                assert response.status_code == (201 if is_fine else 400), given
    receiver.answers["/sector.json"] = Answer(body=json.dumps([KEYS["jwks_uri"], *ADDRESSES]).encode())
    for redirect_uris in (None, ADDRESSES):
        assert (await _register(server, front, **DEVICE, **KEYS, redirect_uris=redirect_uris)).status_code == 201


def test_metadata_that_could_not_be_registered_today_is_a_sector_of_its_own() -> None:
    """What was registered before a rule must not become one sector, nor public."""
    found = {
        sector_of(client_id, {"subject_type": "pairwise", "redirect_uris": [uri]})
        for client_id in ("one", "two")
        for uri in ("http://localhost/cb", "com.evil.app://a.example/cb")
    }
    assert found == {"client:one", "client:two"}


async def test_keys_stand_for_a_client_without_redirect_uris(server: RunningServer, front: TlsFront) -> None:
    """OpenID Connect CIBA Core section 4: the list must hold the jwks_uri."""
    metadata = {"sector_identifier_uri": f"{front.origin}/sector.json", "jwks_uri": "https://keys.example/jwks"}
    with pytest.raises(InvalidClientMetadata, match=r"keys\.example"):
        await check_sector(server.services.fetcher, metadata)
    await check_sector(server.services.fetcher, {**metadata, "jwks_uri": "https://c.example/"})
