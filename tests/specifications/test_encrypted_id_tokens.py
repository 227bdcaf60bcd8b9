"""Encrypted ID tokens: OpenID Connect Core sections 2, 10.2 and 16.14; Dynamic Client Registration 1.0 section 2."""

import json
from typing import Any

import pytest

from clients.metadata import InvalidClientMetadata, validate
from tests.support.confidant import ALGORITHMS, CONTENT, Confidant, encrypted_to
from tests.support.person import Person
from tests.support.receiver import Answer, Receiver
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

HYBRID = "code id_token"
LEAST = {"redirect_uris": ["https://client.example/cb"]}


async def reader(server: RunningServer, confidant: Confidant, alg: str = "ECDH-ES", **metadata: Any) -> RelyingParty:
    """A client that wants its ID tokens encrypted."""
    metadata = {"jwks": confidant.jwks, "id_token_encrypted_response_alg": alg, **metadata}
    return RelyingParty(server, "reader", await server.add_client("reader", **metadata))


@pytest.mark.parametrize(
    ("kind", "alg", "enc"),
    [
        ("RSA", "RSA-OAEP-256", "A128CBC-HS256"),
        ("P-256", "ECDH-ES", "A256GCM"),
        ("P-521", "ECDH-ES+A256KW", "A128GCM"),
        ("X25519", "ECDH-ES+A128KW", "A256CBC-HS512"),
    ],
)
async def test_it_is_signed_and_then_encrypted(
    server: RunningServer, person: Person, kind: str, alg: str, enc: str
) -> None:
    """Core section 10.2: a Nested JWT, whose header says so (RFC 7519 section 5.2), for each kind of key."""
    confidant = Confidant(kind)
    rp = await reader(server, confidant, alg, id_token_encrypted_response_enc=enc)
    tokens = await rp.sign_in(person)
    header, inside = confidant.read(tokens["id_token"])
    assert (header["alg"], header["enc"], header["cty"], header["kid"]) == (alg, enc, "JWT", confidant.key.kid)
    assert "zip" not in header
    _, claims = await rp.verified(inside)
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (server.issuer, "reader", rp.nonce)


async def test_the_default_is_a_cbc_with_hmac(server: RunningServer, person: Person) -> None:
    """Dynamic Client Registration section 2: A128CBC-HS256 where no `enc` is registered."""
    confidant = Confidant()
    rp = await reader(server, confidant)
    header, _ = confidant.read((await rp.sign_in(person))["id_token"])
    assert header["enc"] == "A128CBC-HS256"


async def test_a_refreshed_one_is_encrypted_too(server: RunningServer, person: Person) -> None:
    """Core section 12.2."""
    confidant = Confidant()
    rp = await reader(server, confidant)
    tokens = await rp.sign_in(person, scope="openid offline_access", prompt="consent")
    fresh = (await rp.post("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])).json()
    _, claims = await rp.verified(confidant.read(fresh["id_token"])[1])
    assert claims["sub"]


@pytest.mark.parametrize("overrides", [{"response_types": ("code", HYBRID, "id_token")}], indirect=True)
async def test_the_front_channel_has_them_encrypted(server: RunningServer, person: Person) -> None:
    """Core sections 3.2.2.5 and 3.3.2.5: where the person's browser would see what is inside."""
    confidant = Confidant()
    grants = ["authorization_code", "implicit"]
    rp = await reader(server, confidant, grant_types=grants, response_types=["code", HYBRID, "id_token"])
    await rp.sign_in(person)
    for response_type in (HYBRID, "id_token"):
        await person.visit(rp.url(response_type=response_type))
        answer = person.answer()
        _, claims = await rp.verified(confidant.read(answer["id_token"])[1])
        assert claims["nonce"] == rp.nonce
        assert ("c_hash" in claims) == ("code" in answer)


async def test_a_key_that_is_for_encryption_is_taken_before_one_that_is_for_anything(
    server: RunningServer, person: Person
) -> None:
    """Core section 10.2, RFC 7517 section 4.2: and never one for signatures, or for another algorithm."""
    meant = Confidant(number=2)
    others = [
        Confidant(number=3, members={"use": "sig"}).jwk,
        Confidant(number=4, members={"alg": "ES256"}).jwk,
        Confidant(number=5, members={"use": "enc", "alg": "ECDH-ES+A128KW"}).jwk,
        Confidant("RSA").jwk,
        Confidant(members={}).jwk,
    ]
    rp = await reader(server, meant, jwks={"keys": [*others, meant.jwk]})
    header, _ = meant.read((await rp.sign_in(person))["id_token"])
    assert header["kid"] == meant.key.kid
    await server.change_client("reader", jwks={"keys": others})
    tokens = (await rp.redeem(await rp.code_for(person))).json()
    assert Confidant().read(tokens["id_token"])[0]["kid"] == Confidant().key.kid


async def test_others_still_get_theirs_signed_alone(person: Person, rp: RelyingParty) -> None:
    """Dynamic Client Registration section 2: the default, if omitted, is that no encryption is performed."""
    tokens = await rp.sign_in(person)
    _, claims = await rp.verified(tokens["id_token"])
    assert claims["aud"] == "web"


async def test_a_client_whose_keys_cannot_be_had_is_told_so(server: RunningServer, person: Person) -> None:
    """Core section 10.2.1: nothing leaves in the clear for want of a key."""
    rp = await reader(server, Confidant(), jwks=None, jwks_uri="https://client.invalid/jwks")
    await person.visit(rp.url())
    answer = person.answer()
    assert (answer["error"], answer["state"]) == ("unauthorized_client", rp.state)


@pytest.mark.parametrize("overrides", [{"fetch_private_addresses": True}], indirect=True)
async def test_a_key_that_the_client_publishes_later_is_found(server: RunningServer, person: Person) -> None:
    """Core section 10.2.1: the client's `jwks_uri` is asked again where it had no key, at most once a minute."""
    confidant = Confidant()
    async with Receiver() as receiver:
        receiver.answers["/jwks"] = Answer(body=json.dumps(Confidant(members={"use": "sig"}).jwks).encode())
        rp = await reader(server, confidant, jwks=None, jwks_uri=f"{receiver.origin}/jwks")
        await person.visit(rp.url())
        assert person.answer()["error"] == "unauthorized_client"
        receiver.answers["/jwks"] = Answer(body=json.dumps(confidant.jwks).encode())
        server.clock.advance(61)
        tokens = await rp.sign_in(person)
        asked = len(receiver.requests)
        assert (await rp.redeem(await rp.code_for(person))).status_code == 200
    _, claims = await rp.verified(confidant.read(tokens["id_token"])[1])
    assert claims["nonce"] == rp.nonce
    assert asked == len(receiver.requests) == 2


async def test_a_code_is_not_used_up_for_want_of_a_key(server: RunningServer, person: Person) -> None:
    """RFC 6749 section 4.1.2: what cannot be answered is refused before."""
    confidant = Confidant()
    rp = await reader(server, confidant)
    await rp.sign_in(person)
    code = await rp.code_for(person)
    await server.change_client("reader", jwks=Confidant(members={"use": "sig"}).jwks)
    refused = await rp.redeem(code)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    await server.change_client("reader", jwks=confidant.jwks)
    assert (await rp.redeem(code)).status_code == 200


@pytest.mark.parametrize("overrides", [{"encryption_algorithms": ("ECDH-ES",)}], indirect=True)
async def test_as_a_hint_it_may_be_encrypted_to_the_server(server: RunningServer, person: Person) -> None:
    """Core section 3.1.2.1: the client decrypts it, and may encrypt what was inside again."""
    confidant = Confidant()
    rp = await reader(server, confidant)
    tokens = await rp.sign_in(person)
    _, inside = confidant.read(tokens["id_token"])
    for hint in (inside, await encrypted_to(server, inside)):
        await person.visit(rp.url(id_token_hint=hint, prompt="none"))
        assert "code" in person.answer()
    for hint in (tokens["id_token"], await encrypted_to(server, "e30.e30.e30")):
        await person.visit(rp.url(id_token_hint=hint, prompt="none"))
        assert person.answer()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "metadata",
    [
        {"id_token_encrypted_response_alg": "ECDH-ES"},
        {"id_token_encrypted_response_alg": "ECDH-ES", "jwks": Confidant("RSA").jwks},
        {"id_token_encrypted_response_alg": "RSA-OAEP-256", "jwks": Confidant().jwks},
        {"id_token_encrypted_response_alg": "ECDH-ES", "jwks": Confidant(members={"use": "sig"}).jwks},
        {"id_token_encrypted_response_enc": "A128GCM", "jwks": Confidant().jwks},
        *(
            {"id_token_encrypted_response_alg": alg, "jwks": Confidant("RSA").jwks}
            for alg in ("RSA1_5", "RSA-OAEP", "dir", "A128KW", "PBES2-HS256+A128KW", "none", "")
        ),
        {
            "id_token_encrypted_response_alg": "ECDH-ES",
            "id_token_encrypted_response_enc": "none",
            "jwks": Confidant().jwks,
        },
    ],
)
def test_metadata_that_could_never_be_met_is_refused(metadata: dict[str, Any]) -> None:
    """Dynamic Client Registration section 2: no key, a wrong one, `enc` without `alg`, weak or shared algorithms."""
    with pytest.raises(InvalidClientMetadata):
        validate({**LEAST, **metadata})


def test_keys_for_encryption_do_not_prove_who_a_client_is() -> None:
    """RFC 7517 section 4.2."""
    metadata = {**LEAST, "token_endpoint_auth_method": "private_key_jwt", "jwks": Confidant().jwks}
    with pytest.raises(InvalidClientMetadata, match="private_key_jwt needs a key for signatures"):
        validate(metadata)


async def test_metadata_announces_it(server: RunningServer) -> None:
    """Discovery 1.0 section 3: and neither `none` nor shared keys."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["id_token_encryption_alg_values_supported"] == list(ALGORITHMS)
    assert metadata["id_token_encryption_enc_values_supported"] == list(CONTENT)
    assert "none" not in metadata["id_token_signing_alg_values_supported"]
