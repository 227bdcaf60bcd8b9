"""Encrypted request objects: RFC 9101 sections 4, 6.1 and 10.2, OpenID Connect Core sections 6.1 and 10.2."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from keys.decoding import decode_base64url
from tests.keys.material import segment
from tests.support.confidant import ALGORITHMS, CONTENT, JUST_THESE, Confidant, encrypted_to, key_of
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.secret_request import TYPE, accepted, published, refused, server_key, signed, url
from tests.support.server import RunningServer

OVERRIDES = {"encryption_algorithms": ("ECDH-ES",)}  # one that is quickly made
ALL = pytest.mark.parametrize("overrides", [{"encryption_algorithms": ALGORITHMS}], indirect=True)


@ALL
async def test_each_algorithm_that_is_announced_works(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """RFC 9101 section 6.1, with the key in the JWK Set for that algorithm."""
    for alg in ALGORITHMS:
        for enc in CONTENT:
            await accepted(person, jar, await encrypted_to(server, signed(jar), alg, enc))


async def test_a_whole_sign_in_hides_its_request(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """RFC 9101 section 4: signed, then encrypted; what was inside is what is authorized."""
    await person.visit(url(jar, await encrypted_to(server, signed(jar, state="hidden"))))
    await person.sign_in()
    await person.postpone()
    await person.consent()
    answer = person.answer()
    assert answer["state"] == "hidden"
    assert (await jar.redeem(answer["code"])).status_code == 200


@pytest.mark.parametrize("header", [{"kid": None}, {"cty": None}, {"cty": TYPE}, {"cty": "jwt"}, {"typ": "JWT"}])
async def test_a_header_may_say_less(
    server: RunningServer, person: Person, jar: RelyingParty, header: dict[str, Any]
) -> None:
    """RFC 7516 section 4.1: `kid`, `typ` and `cty` may be left out, RFC 7515 section 4.1.10."""
    await accepted(person, jar, await encrypted_to(server, signed(jar), **header))


async def test_it_may_be_pushed(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """RFC 9126 section 3."""
    response = await jar.post("/par", request=await encrypted_to(server, signed(jar)))
    assert response.status_code == 201
    query = urlencode({"client_id": "jar", "request_uri": response.json()["request_uri"]})
    await person.visit(f"{server.issuer}/authorize?{query}")
    assert person.title == "Sign in"


async def test_who_encrypted_it_proves_nothing(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """RFC 9101 sections 4 and 10.2: the signature inside is checked as ever; anybody has the server's key."""
    unsigned = f"{segment({'alg': 'none'})}.{segment(jar.parameters())}."
    within = await encrypted_to(server, signed(jar))
    stale = signed(jar, exp=server.clock.now() - 100)
    for inside in (json.dumps(jar.parameters()), unsigned, signed(jar, number=2), stale, within, "", "\xe9"):
        await refused(person, jar, await encrypted_to(server, inside))


async def test_what_is_compressed_is_refused(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """RFC 8725 section 3.6: unpacking could take without bounds."""
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "A128GCM", "DEF"])
    key = server_key((await published(server))[0])
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "zip": "DEF", "kid": key.kid}
    await refused(person, jar, jwe.encrypt_compact(header, signed(jar), key, registry=registry))


async def test_an_algorithm_that_is_not_announced_is_refused(
    server: RunningServer, person: Person, jar: RelyingParty
) -> None:
    """RFC 8725 sections 3.1 and 3.2: RSA1_5 and shared keys never."""
    key = server_key((await published(server))[0])
    for alg, enc in (("ECDH-ES+A128KW", "A128GCM"), ("ECDH-ES", "A192GCM"), ("ECDH-ES+A192KW", "A128GCM")):
        registry = jwe.JWERegistry(algorithms=[alg, enc])
        token = jwe.encrypt_compact({"alg": alg, "enc": enc}, signed(jar), key, registry=registry)
        await refused(person, jar, token)
    shared = jwe.encrypt_compact(
        {"alg": "dir", "enc": "A128GCM"},
        signed(jar),
        OctKey.import_key(b"k" * 16),
        registry=jwe.JWERegistry(algorithms=["dir", "A128GCM"]),
    )
    await refused(person, jar, shared)


async def test_another_key_or_an_altered_token_is_refused(
    server: RunningServer, person: Person, jar: RelyingParty
) -> None:
    """RFC 7516 section 5.2, and section 11.5: whatever is wrong, the answer is the same."""
    right = await encrypted_to(server, signed(jar))
    protected, key, iv, text, tag = right.split(".")
    others = jwe.encrypt_compact(
        {"alg": "ECDH-ES", "enc": "A128GCM"}, signed(jar), key_of("P-256"), registry=JUST_THESE
    )
    altered = "A" if text[0] != "A" else "B"
    broken = [
        others,
        f"{protected}.{key}.{iv}.{altered}{text[1:]}.{tag}",
        f"{protected}.{key}.{iv}.{text}.{segment(b'0' * 16)}",
        f"{protected}.{key}.{iv}.{text}.",
        f"{protected}.{key}..{text}.{tag}",
        f"{protected}.AAAA.{iv}.{text}.{tag}",
        "....",
    ]
    header = json.loads(decode_base64url(protected))
    broken += [f"{segment(wrong)}.{key}.{iv}.{text}.{tag}" for wrong in wrong_headers(header)]
    broken.append(f"{protected}.{key}.{iv}.{text}.{tag}.")
    for token in broken:
        await refused(person, jar, token)
    await accepted(person, jar, right)


@pytest.mark.parametrize("overrides", [{"encryption_algorithms": ()}], indirect=True)
async def test_it_can_be_switched_off(server: RunningServer, person: Person, jar: RelyingParty) -> None:
    """Discovery 1.0 section 3: what is off is neither announced nor served."""
    token = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A128GCM"}, signed(jar), key_of("P-256"), registry=JUST_THESE)
    await refused(person, jar, token)
    assert await published(server) == []
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert "request_object_encryption_alg_values_supported" not in metadata


async def test_metadata_announces_it(server: RunningServer) -> None:
    """Discovery 1.0 section 3, RFC 9101 section 9.2."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["request_object_encryption_alg_values_supported"] == ["ECDH-ES"]
    assert metadata["request_object_encryption_enc_values_supported"] == list(CONTENT)


def wrong_headers(right: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Headers that no reader may follow."""
    other_curve = {name: Confidant("P-521").jwk[name] for name in ("kty", "crv", "x", "y")}
    off_the_curve = {**right["epk"], "x": right["epk"]["y"]}
    changes: list[dict[str, Any]] = [
        {"epk": None},
        {"epk": "x"},
        {"epk": {}},
        {"epk": other_curve},
        {"epk": off_the_curve},
        {"epk": {"kty": "oct", "k": "AAAA", "crv": "P-256"}},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"zip": None},
        {"zip": "DEF"},
        {"kid": 5},
        {"kid": "x" * 129},
        {"kid": "another"},
        {"cty": "text/plain"},
        {"cty": 5},
        {"alg": "RSA1_5"},
        {"alg": ["ECDH-ES"]},
        {"alg": None},
        {"enc": None},
        {"enc": "A128CBC-HS512"},
        {"apu": 5},
        {"padding": "x" * 2000},
    ]
    return [{**right, **change} for change in changes]
