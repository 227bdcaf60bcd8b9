"""Request objects that are encrypted to the server: made by joserfc alone."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from joserfc import jwe
from joserfc.jwk import JWKRegistry

from tests.keys.material import key_pair, signer
from tests.support.confidant import JUST_THESE
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

TYPE = "oauth-authz-req+jwt"
JWKS = {"keys": [key_pair("ES256").public_jwk]}


def signed(rp: RelyingParty, number: int = 1, **changes: Any) -> str:
    now = rp.server.clock.now()
    claims = {"iss": rp.client_id, "aud": rp.server.issuer, "iat": now, "nbf": now, "exp": now + 300}
    return signer("ES256", number).sign({**rp.parameters(), **claims, **changes}, typ=TYPE)


def url(rp: RelyingParty, request: str) -> str:
    return f"{rp.server.issuer}/authorize?{urlencode({'client_id': rp.client_id, 'request': request})}"


async def accepted(person: Person, rp: RelyingParty, request: str) -> None:
    await person.visit(url(rp, request))
    assert person.title == "Sign in", person.text


async def refused(person: Person, rp: RelyingParty, request: str) -> None:
    await person.visit(url(rp, request))
    assert person.left_for is None
    assert person.response.status_code == 400
    assert "(error: invalid_request_object)" in person.text


async def published(server: RunningServer, use: str = "enc") -> list[dict[str, Any]]:
    """Return the keys of the server's JWK Set that are for one use."""
    async with server.http() as http:
        keys: list[dict[str, Any]] = (await http.get("/jwks")).json()["keys"]
    return [key for key in keys if key["use"] == use]


def server_key(jwk: Mapping[str, Any]) -> Any:
    return JWKRegistry.import_key(dict(jwk))


def encrypted_with(jwk: Mapping[str, Any], content: str) -> str:
    header = {"alg": jwk["alg"], "enc": "A128GCM", "kid": jwk["kid"]}
    return jwe.encrypt_compact(header, content, server_key(jwk), registry=JUST_THESE)
