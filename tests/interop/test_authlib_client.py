"""The example relying party: Authlib's client on Starlette, walked through without a browser."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import clients
from tests.interop.conftest import Visitor
from tests.support.process import Program, ServerProcess, free_port

pytestmark = pytest.mark.interop


@pytest.fixture
def shop(issuer: ServerProcess, tmp_path: Path) -> Iterator[str]:
    """The example's address."""
    port = free_port()
    address = f"http://localhost:{port}"
    client = clients.web_client(issuer, f"{address}/callback", post_logout_redirect_uris=[f"{address}/"])
    environment = {
        "ISSUER": issuer.issuer,
        "BASE": address,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": client["client_secret"],
    }
    command = [sys.executable, "-m", "uvicorn", "examples.relying_party.app:app", "--port", str(port)]
    with Program(command, address, tmp_path / "shop.log", environment):
        yield address


async def _sign_in(visitor: Visitor, shop: str) -> str:
    begun = await visitor.http.get(f"{shop}/login")
    callback = await visitor.finish(begun.headers["location"])
    taken = await visitor.http.get(callback)
    assert taken.status_code == 303, taken.text
    return callback


async def test_authlib_signs_a_person_in_and_out_again(shop: str, visitor: Visitor) -> None:
    await _sign_in(visitor, shop)
    assert "Hello Alice Ample (alice@example.com)" in (await visitor.http.get(shop)).text
    leaving = await visitor.http.get(f"{shop}/logout")
    await visitor.visit(leaving.headers["location"])
    assert visitor.left_for == f"{shop}/"
    assert "Sign in" in (await visitor.http.get(shop)).text
    await visitor.visit(f"{visitor.server.issuer}/account")
    assert visitor.title == "Sign in"


async def test_authlib_refuses_an_answer_that_it_did_not_ask_for(shop: str, visitor: Visitor) -> None:
    callback = await _sign_in(visitor, shop)
    again = await visitor.http.get(callback)
    assert again.status_code == 400
    assert "mismatching_state" in again.text


async def test_a_denial_reaches_the_relying_party(shop: str, visitor: Visitor) -> None:
    begun = await visitor.http.get(f"{shop}/login")
    await visitor.visit(begun.headers["location"])
    await visitor.sign_in()
    await visitor.postpone()
    await visitor.consent("deny")
    assert visitor.left_for is not None
    refused = await visitor.http.get(visitor.left_for)
    assert refused.status_code == 400
    assert "You did not allow the sign-in" in refused.text
