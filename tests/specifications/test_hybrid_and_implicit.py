"""Implicit and hybrid flows: OpenID Connect Core sections 3.2 and 3.3, OAuth 2.0 Multiple Response Types."""

import base64
import hashlib
import itertools
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from server.settings import SettingsError, load
from server.storage.resources import Resource
from server.storage.schema import authorizations
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

ALL = ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
FRONT_CHANNEL = ALL[1:]
WITH_ID_TOKEN = tuple(name for name in FRONT_CHANNEL if "id_token" in name)
WITH_TOKEN = tuple(name for name in FRONT_CHANNEL if name.split()[-1] == "token")
WITH_CODE = tuple(name for name in FRONT_CHANNEL if "code" in name)
enabled = pytest.mark.parametrize("overrides", [{"response_types": ALL}], indirect=True)


def half_hash(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


@pytest.fixture
async def hybrid(server: RunningServer) -> RelyingParty:
    """A client that is registered for everything."""
    secret = await server.add_client(
        "hybrid",
        response_types=list(ALL),
        grant_types=["authorization_code", "implicit", "refresh_token"],
    )
    return RelyingParty(server, "hybrid", secret)


async def sign_in(person: Person, rp: RelyingParty, **changes: str | None) -> dict[str, str]:
    """Lead a person to the answer and return it."""
    await person.visit(rp.url(**changes))
    await person.sign_in()
    await person.postpone()
    await person.consent()
    return person.answer()


@enabled
@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_each_response_type_gives_what_it_names_in_the_fragment(
    person: Person, hybrid: RelyingParty, response_type: str
) -> None:
    """OAuth 2.0 Multiple Response Types sections 3 and 5, OpenID Connect Core sections 3.2.2.5 and 3.3.2.5."""
    answer = await sign_in(person, hybrid, response_type=response_type)
    assert urlsplit(str(person.left_for)).query == ""
    expected = {"state", "iss"}
    if "code" in response_type:
        expected |= {"code"}
    if "id_token" in response_type:
        expected |= {"id_token"}
    if response_type in WITH_TOKEN:
        expected |= {"access_token", "token_type", "expires_in", "scope"}
    assert answer.keys() == expected
    assert (answer["state"], answer["iss"]) == (hybrid.state, hybrid.server.issuer)
    assert "refresh_token" not in answer


@enabled
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
async def test_an_id_token_is_bound_to_all_that_comes_with_it(
    person: Person, hybrid: RelyingParty, response_type: str
) -> None:
    """OpenID Connect Core sections 3.2.2.10 and 3.3.2.11."""
    answer = await sign_in(person, hybrid, response_type=response_type)
    _, claims = await hybrid.verified(answer["id_token"])
    assert (claims["iss"], claims["aud"]) == (hybrid.server.issuer, hybrid.client_id)
    assert claims["nonce"] == hybrid.nonce
    assert claims["auth_time"] == hybrid.server.clock.now()
    assert claims.get("c_hash") == (half_hash(answer["code"]) if "code" in answer else None)
    assert claims.get("at_hash") == (half_hash(answer["access_token"]) if "access_token" in answer else None)


@enabled
async def test_without_an_access_token_the_id_token_holds_what_the_scopes_ask_for(
    person: Person, hybrid: RelyingParty
) -> None:
    """OpenID Connect Core section 5.4."""
    alone = await sign_in(person, hybrid, response_type="id_token", scope="openid profile email roles")
    _, claims = await hybrid.verified(alone["id_token"])
    assert (claims["name"], claims["email"]) == ("Alice Ample", "alice@example.com")
    assert claims["roles"] == []
    # A code leads to an access token as well.
    for response_type in ("id_token token", "code id_token"):
        await person.visit(hybrid.url(response_type=response_type))
        _, claims = await hybrid.verified(person.answer()["id_token"])
        assert not {"name", "email"} & claims.keys(), response_type


@enabled
async def test_an_id_token_tells_no_more_than_the_resource_of_its_request_may_know(
    server: RunningServer, person: Person, hybrid: RelyingParty
) -> None:
    """RFC 8707 section 2.2: a scope that means something at another resource alone opens nothing here either."""
    orders = Resource("https://orders.example/", scopes=("read:orders",))
    staff = Resource("https://staff.example/", scopes=("roles",))
    await server.add_resources(orders, staff)
    scope = "openid profile roles"
    answer = await sign_in(person, hybrid, response_type="id_token", scope=scope, resource=orders.uri)
    _, claims = await hybrid.verified(answer["id_token"])
    assert claims["name"] == "Alice Ample"
    assert "roles" not in claims
    await person.visit(hybrid.url(response_type="id_token", scope=scope))
    _, claims = await hybrid.verified(person.answer()["id_token"])
    assert claims["roles"] == []


@enabled
@pytest.mark.parametrize("response_type", WITH_TOKEN)
async def test_an_access_token_works_and_ends_with_the_sign_in(
    person: Person, hybrid: RelyingParty, response_type: str
) -> None:
    """RFC 6750 section 2.1, RFC 9068 section 2.2."""
    answer = await sign_in(person, hybrid, response_type=response_type)
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", "600")
    header, claims = await hybrid.verified(answer["access_token"])
    assert header["typ"] == "at+jwt"
    assert (claims["client_id"], claims["scope"]) == (hybrid.client_id, hybrid.scope)
    hybrid.server.clock.advance(599)
    assert (await hybrid.userinfo(answer["access_token"])).json()["name"] == "Alice Ample"
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    assert (await hybrid.userinfo(answer["access_token"])).status_code == 401


@enabled
@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
async def test_without_a_code_there_is_no_offline_access(
    person: Person, hybrid: RelyingParty, response_type: str
) -> None:
    """OpenID Connect Core section 11: MUST be ignored. Tokens end with the sign-in, and nobody is asked for more."""
    await person.visit(hybrid.url(response_type=response_type, scope="openid profile offline_access"))
    await person.sign_in()
    await person.postpone()
    is_offline = response_type in WITH_CODE
    assert ("while you are not using the application" in person.text) is is_offline
    await person.consent()
    answer = person.answer()
    [given] = {row["scope"] for row in await _authorizations(hybrid.server)}
    assert given == ("openid profile offline_access" if is_offline else "openid profile")
    await person.visit("/end-session")
    await person.submit(("decision", "sign-out"))
    if "access_token" in answer:
        assert answer["scope"] == given
        assert (await hybrid.verified(answer["access_token"]))[1]["scope"] == given
        assert (await hybrid.userinfo(answer["access_token"])).status_code == (200 if is_offline else 401)


async def _authorizations(server: RunningServer) -> list[dict[str, Any]]:
    return await server.run(lambda db: [dict(row) for row in db.execute(select(authorizations)).mappings()])


@enabled
async def test_an_access_token_of_the_front_channel_ends_in_time(person: Person, hybrid: RelyingParty) -> None:
    """RFC 9068 section 4."""
    answer = await sign_in(person, hybrid, response_type="id_token token")
    hybrid.server.clock.advance(600)
    assert (await hybrid.userinfo(answer["access_token"])).status_code == 401


@enabled
@pytest.mark.parametrize("response_type", WITH_CODE)
async def test_the_code_is_redeemed_as_ever(person: Person, hybrid: RelyingParty, response_type: str) -> None:
    """OpenID Connect Core section 3.3.3: the second ID token is about the same sign-in."""
    answer = await sign_in(person, hybrid, response_type=response_type)
    wrong = await hybrid.redeem(answer["code"], code_verifier="x" * 43)
    assert wrong.json()["error"] == "invalid_grant"
    tokens = (await hybrid.redeem(answer["code"])).json()
    assert "refresh_token" in tokens
    _, second = await hybrid.verified(tokens["id_token"])
    assert "c_hash" not in second
    assert second["nonce"] == hybrid.nonce
    if "id_token" in answer:
        _, first = await hybrid.verified(answer["id_token"])
        assert (first["iss"], first["sub"]) == (second["iss"], second["sub"])
    assert (await hybrid.redeem(answer["code"])).json()["error"] == "invalid_grant"
    if "access_token" in answer:
        # RFC 9700 section 4.5: a code that comes twice was stolen, and all that came with it
        assert (await hybrid.userinfo(answer["access_token"])).status_code == 401


@enabled
async def test_a_code_of_a_hybrid_flow_lives_no_longer_than_another(person: Person, hybrid: RelyingParty) -> None:
    """RFC 6749 section 4.1.2."""
    answer = await sign_in(person, hybrid, response_type="code id_token token")
    hybrid.server.clock.advance(60)
    assert (await hybrid.redeem(answer["code"])).json()["error"] == "invalid_grant"


@enabled
async def test_the_order_of_words_means_nothing(person: Person, hybrid: RelyingParty) -> None:
    """OAuth 2.0 Multiple Response Types section 3."""
    answer = await sign_in(person, hybrid, response_type="token id_token code")
    assert {"code", "id_token", "access_token"} <= answer.keys()


@enabled
async def test_an_id_token_needs_a_nonce_and_the_scope_openid(person: Person, hybrid: RelyingParty) -> None:
    """OpenID Connect Core sections 3.2.2.1 and 3.3.2.11."""
    cases: tuple[dict[str, str | None], ...] = ({"nonce": None}, {"scope": "profile"})
    for response_type in WITH_ID_TOKEN:
        for changes in cases:
            await person.visit(hybrid.url(response_type=response_type, **changes))
            assert person.answer()["error"] == "invalid_request"
            assert urlsplit(str(person.left_for)).fragment


@enabled
async def test_tokens_never_travel_in_a_query(person: Person, hybrid: RelyingParty) -> None:
    """OAuth 2.0 Multiple Response Types section 3, JARM section 2.3.1."""
    for response_type, mode in itertools.product(FRONT_CHANNEL, ("query", "query.jwt")):
        await person.visit(hybrid.url(response_type=response_type, response_mode=mode))
        parts = urlsplit(str(person.left_for))
        assert parts.query == ""
        assert parse_qs(parts.fragment)["error"] == ["invalid_request"]
        assert parse_qs(parts.fragment)["state"] == [hybrid.state]


@enabled
async def test_form_post_and_jwt_carry_them_too(person: Person, hybrid: RelyingParty) -> None:
    """OAuth 2.0 Form Post Response Mode section 2, JARM section 2.3."""
    await sign_in(person, hybrid, response_type="code id_token")
    await person.visit(hybrid.url(response_type="code id_token", response_mode="form_post"))
    assert {"code", "id_token", "state", "iss"} <= person.form.fields.keys()
    await person.visit(hybrid.url(response_type="code id_token", response_mode="jwt"))
    assert urlsplit(str(person.left_for)).query == ""
    _, signed = await hybrid.verified(person.answer()["response"])
    _, claims = await hybrid.verified(signed["id_token"])
    assert claims["c_hash"] == half_hash(signed["code"])


@enabled
async def test_errors_come_in_the_fragment(person: Person, hybrid: RelyingParty) -> None:
    """OpenID Connect Core sections 3.2.2.6 and 3.3.2.6."""
    cases: tuple[dict[str, str | None], ...] = ({"prompt": "none"}, {"scope": "openid wat"}, {"code_challenge": None})
    for changes in cases:
        await person.visit(hybrid.url(response_type="code id_token", **changes))
        parts = urlsplit(str(person.left_for))
        assert parts.query == ""
        assert {"error", "state", "iss"} <= parse_qs(parts.fragment).keys()


@enabled
async def test_code_needs_pkce_and_what_has_no_code_does_not(person: Person, hybrid: RelyingParty) -> None:
    """RFC 9700 section 2.1.1."""
    without = {"code_challenge": None, "code_challenge_method": None}
    await person.visit(hybrid.url(response_type="code id_token", **without))
    assert person.answer()["error"] == "invalid_request"
    assert "id_token" in await sign_in(person, hybrid, response_type="id_token", **without)


@enabled
async def test_a_registered_query_stays(server: RunningServer, person: Person) -> None:
    """RFC 6749 section 3.1.2."""
    uri = "https://client.example/cb?dummy=lorem"
    await server.add_client(
        "spa",
        redirect_uris=[uri],
        token_endpoint_auth_method="none",
        response_types=["id_token"],
        grant_types=["implicit"],
    )
    answer = await sign_in(person, RelyingParty(server, "spa", redirect_uri=uri), response_type="id_token")
    assert "id_token" in answer
    assert urlsplit(str(person.left_for)).query == "dummy=lorem"


@enabled
async def test_a_client_gets_only_what_it_is_registered_for(person: Person, rp: RelyingParty) -> None:
    """RFC 9700 section 2.1.2: per client."""
    for response_type in FRONT_CHANNEL:
        await person.visit(rp.url(response_type=response_type))
        assert person.answer()["error"] == "unauthorized_client"


@enabled
async def test_a_client_whose_tokens_are_bound_gets_none_in_the_front_channel(
    server: RunningServer, person: Person, hybrid: RelyingParty
) -> None:
    """RFC 9700 section 4.10.1."""
    await server.change_client("hybrid", dpop_bound_access_tokens=True)
    for response_type in WITH_TOKEN:
        await person.visit(hybrid.url(response_type=response_type))
        assert person.answer()["error"] == "unauthorized_client"


async def test_they_are_off_unless_the_operator_enables_them(
    server: RunningServer, person: Person, hybrid: RelyingParty
) -> None:
    """RFC 9700 section 2.1.2."""
    for response_type in (*FRONT_CHANNEL, "token", "none", "code code", "id_token id_token"):
        await person.visit(hybrid.url(response_type=response_type))
        assert person.answer()["error"] == "unsupported_response_type"
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["response_types_supported"] == ["code"]
    assert "implicit" not in metadata["grant_types_supported"]


@enabled
async def test_metadata_announces_what_is_enabled(server: RunningServer) -> None:
    """OpenID Connect Discovery 1.0 section 3."""
    async with server.http() as http:
        metadata = (await http.get("/.well-known/openid-configuration")).json()
    assert metadata["response_types_supported"] == list(ALL)
    assert {"implicit", "authorization_code"} <= set(metadata["grant_types_supported"])
    assert "fragment" in metadata["response_modes_supported"]


async def test_fragment_works_for_a_code_as_well(person: Person, rp: RelyingParty) -> None:
    """OAuth 2.0 Multiple Response Types section 2.1."""
    await rp.sign_in(person)
    await person.visit(rp.url(response_mode="fragment"))
    assert urlsplit(str(person.left_for)).query == ""
    assert person.answer().keys() == {"code", "state", "iss"}
    assert (await rp.redeem(person.answer()["code"])).status_code == 200


async def test_no_nonce_comes_where_none_was_sent(person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core section 2; oidcc-ensure-request-without-nonce-succeeds-for-code-flow."""
    tokens = await rp.sign_in(person, nonce=None)
    _, claims = await rp.verified(tokens["id_token"])
    assert "nonce" not in claims


def test_the_setting_is_divided_by_commas() -> None:
    chosen = load({"OSTIARY_RESPONSE_TYPES": "code, token id_token,code  id_token"}).settings.response_types
    assert chosen == ("code", "id_token token", "code id_token")
    for wrong in ("token", "code none", "", "code,wat"):
        with pytest.raises(SettingsError, match="OSTIARY_RESPONSE_TYPES"):
            load({"OSTIARY_RESPONSE_TYPES": wrong})
