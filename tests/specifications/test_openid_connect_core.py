"""OpenID Connect Core 1.0: authentication requests and ID tokens. Ready for the Basic certification plan."""

import json
from typing import Any

import pytest

from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


async def test_prompt_none_without_a_session_is_login_required(person: Person, rp: RelyingParty) -> None:
    """Section 3.1.2.6; oidcc-prompt-none-not-logged-in."""
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "login_required"


async def test_prompt_none_with_a_session_answers_at_once(person: Person, rp: RelyingParty) -> None:
    """oidcc-prompt-none-logged-in."""
    first = await rp.sign_in(person)
    await person.visit(rp.url(prompt="none"))
    second = (await rp.redeem(person.answer()["code"])).json()
    _, before = await rp.verified(first["id_token"])
    _, after = await rp.verified(second["id_token"])
    assert after["sub"] == before["sub"]
    assert after["auth_time"] == before["auth_time"]
    assert after["sid"] == before["sid"]


async def test_prompt_none_without_consent_is_consent_required(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "consent_required"


async def test_prompt_login_asks_again_and_moves_auth_time(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """oidcc-prompt-login."""
    _, before = await rp.verified((await rp.sign_in(person))["id_token"])
    server.clock.advance(100)
    await person.visit(rp.url(prompt="login"))
    assert person.title == "Sign in"
    await person.sign_in()
    _, after = await rp.verified((await rp.redeem(person.answer()["code"])).json()["id_token"])
    assert after["auth_time"] == before["auth_time"] + 100


async def test_prompt_consent_asks_again(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(rp.url(prompt="consent"))
    assert person.title == "Allow access"
    await person.consent("deny")
    answer = person.answer()
    assert answer["error"] == "access_denied"
    assert answer["state"] == rp.state


async def test_prompt_select_account_shows_who_is_signed_in(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(rp.url(prompt="select_account"))
    assert person.title == "Choose an account"
    assert "alice@example.com" in person.text
    await person.submit(("decision", "continue"))
    assert "code" in person.answer()
    await person.visit(rp.url(prompt="select_account"))
    await person.submit(("decision", "other"))
    assert person.title == "Sign in"


async def test_prompt_create_leads_to_an_account_and_back(server: RunningServer, rp: RelyingParty) -> None:
    """Initiating User Registration via OpenID Connect 1.0."""
    async with Person(server, email="new@example.com", password="a rather long pass phrase") as stranger:
        await stranger.visit(rp.url(prompt="create"))
        assert stranger.title == "Create an account"
        await stranger.submit(email="new@example.com", password="short", name="New Person")
        assert stranger.response.status_code == 400
        await stranger.submit(email="new@example.com", password="a rather long pass phrase", name="New Person")
        await stranger.postpone()
        await stranger.consent()
        tokens = (await rp.redeem(stranger.answer()["code"])).json()
        assert (await rp.userinfo(tokens["access_token"])).json()["name"] == "New Person"


async def test_max_age_1_asks_again_when_the_sign_in_is_older(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """oidcc-max-age-1."""
    _, before = await rp.verified((await rp.sign_in(person))["id_token"])
    server.clock.advance(2)
    await person.visit(rp.url(max_age="1"))
    assert person.title == "Sign in"
    await person.sign_in()
    _, after = await rp.verified((await rp.redeem(person.answer()["code"])).json()["id_token"])
    assert after["auth_time"] > before["auth_time"]


async def test_max_age_10000_does_not_ask_again(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """oidcc-max-age-10000."""
    await rp.sign_in(person)
    server.clock.advance(60)
    await person.visit(rp.url(max_age="10000"))
    assert "code" in person.answer()


async def test_max_age_0_asks_even_at_the_same_second(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(rp.url(max_age="0"))
    assert person.title == "Sign in"
    await person.sign_in()
    assert "code" in person.answer()
    await person.visit(rp.url(max_age="0", prompt="none"))
    assert person.answer()["error"] == "login_required"


async def test_an_id_token_hint_of_the_signed_in_person_is_fine(person: Person, rp: RelyingParty) -> None:
    """oidcc-id-token-hint."""
    tokens = await rp.sign_in(person)
    await person.visit(rp.url(prompt="none", id_token_hint=tokens["id_token"]))
    assert "code" in person.answer()


async def test_an_id_token_hint_of_somebody_else_needs_a_sign_in(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    await server.add_person("bob@example.com", name="Bob")
    async with Person(server, email="bob@example.com") as bob:
        await rp.sign_in(bob)
        await bob.visit(rp.url(prompt="none", id_token_hint=tokens["id_token"]))
        assert bob.answer()["error"] == "login_required"
        await bob.visit(rp.url(id_token_hint=tokens["id_token"]))
        assert bob.title == "Sign in"
        await bob.sign_in()
        assert bob.answer()["error"] == "login_required"


@pytest.mark.parametrize("place", ["id_token", "userinfo"])
@pytest.mark.parametrize("demand", [{"value": "usr_nobody"}, {"values": ["usr_nobody"]}, {"value": 7}])
async def test_claims_about_somebody_else_are_given_to_nobody(
    person: Person, rp: RelyingParty, place: str, demand: dict[str, Any]
) -> None:
    """OpenID Connect Core section 5.5.1: the answer is about the demanded sub, or an error."""
    claims = json.dumps({place: {"sub": demand}})
    await rp.sign_in(person)
    await person.visit(rp.url(prompt="none", claims=claims))
    assert person.answer()["error"] == "login_required"
    await person.visit(rp.url(claims=claims))
    if demand != {"value": 7}:
        assert person.title == "Sign in"
        await person.sign_in()
    assert person.answer()["error"] == "login_required"


async def test_a_demanded_subject_who_is_signed_in_is_answered_for(person: Person, rp: RelyingParty) -> None:
    """OpenID Connect Core section 5.5.1."""
    tokens = await rp.sign_in(person)
    _, known = await rp.verified(tokens["id_token"])
    demand = {"sub": {"values": ["usr_nobody", known["sub"]]}}
    claims = json.dumps({"id_token": demand, "userinfo": {**demand, "name": None}})
    await person.visit(rp.url(prompt="none", scope="openid", claims=claims, id_token_hint=tokens["id_token"]))
    redeemed = (await rp.redeem(person.answer()["code"])).json()
    assert (await rp.verified(redeemed["id_token"]))[1]["sub"] == known["sub"]
    assert (await rp.userinfo(redeemed["access_token"])).json() == {"sub": known["sub"], "name": "Alice Ample"}
    other = json.dumps({"id_token": {"sub": {"value": "usr_nobody"}}})
    await person.visit(rp.url(claims=other, id_token_hint=tokens["id_token"]))
    assert person.answer()["error"] == "login_required"


async def test_an_algorithm_that_was_switched_off_is_an_error_and_burns_nothing(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    tokens = await rp.sign_in(person)
    secret = await server.add_client("chooser", id_token_signed_response_alg="ES256")
    await person.visit(RelyingParty(server, "chooser", secret).url())
    assert person.answer()["error"] == "unauthorized_client"
    await server.change_client("web", id_token_signed_response_alg="ES256")
    answer = await rp.refresh(tokens["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    await server.change_client("web", id_token_signed_response_alg="RS256")
    assert (await rp.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_hint_of_another_client_is_refused(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """C086: the hint was issued to the client that shows it."""
    tokens = await rp.sign_in(person)
    other = RelyingParty(server, "other", await server.add_client("other"))
    await person.visit(other.url(id_token_hint=tokens["id_token"]))
    assert person.answer()["error"] == "invalid_request"


async def test_an_access_token_is_no_id_token_hint(person: Person, rp: RelyingParty) -> None:
    """RFC 8725 section 3.11."""
    tokens = await rp.sign_in(person)
    await person.visit(rp.url(id_token_hint=tokens["access_token"]))
    assert person.answer()["error"] == "invalid_request"


async def test_a_login_hint_fills_in_the_form(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url(login_hint="alice@example.com"))
    assert person.form.fields["email"] == "alice@example.com"


async def test_display_ui_locales_and_acr_values_do_no_harm(person: Person, rp: RelyingParty) -> None:
    """oidcc-display-page, oidcc-ui-locales, oidcc-ensure-request-with-acr-values-succeeds."""
    await rp.code_for(person, display="popup", ui_locales="se en de", claims_locales="se", acr_values="1 2")


async def test_without_nonce_the_id_token_has_none(person: Person, rp: RelyingParty) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow."""
    _, claims = await rp.verified((await rp.sign_in(person, nonce=None))["id_token"])
    assert "nonce" not in claims


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("overrides", [{"signing_algorithms": "RS256 PS256 ES256 EdDSA"}], indirect=True)
async def test_each_client_chooses_how_its_id_tokens_are_signed(
    server: RunningServer, person: Person, algorithm: str
) -> None:
    secret = await server.add_client("chooser", id_token_signed_response_alg=algorithm)
    rp = RelyingParty(server, "chooser", secret)
    tokens = await rp.sign_in(person)
    header, claims = await rp.verified(tokens["id_token"])
    assert header["alg"] == algorithm
    assert len(claims["at_hash"]) == (43 if algorithm == "EdDSA" else 22)


@pytest.mark.parametrize(
    ("overrides", "algorithm"),
    [({"signing_algorithms": ("ES256", "RS256")}, "RS256"), ({"signing_algorithms": ("ES256", "PS256")}, "ES256")],
    indirect=["overrides"],
)
async def test_an_id_token_is_signed_with_rs256_for_a_client_that_registered_nothing(
    person: Person, rp: RelyingParty, algorithm: str
) -> None:
    """OpenID Connect Registration section 2: the default, as long as it is on; the first one signs access tokens."""
    tokens = await rp.sign_in(person)
    assert (await rp.verified(tokens["id_token"]))[0]["alg"] == algorithm
    assert (await rp.verified(tokens["access_token"]))[0]["alg"] == "ES256"


async def test_a_client_can_demand_a_second_factor(server: RunningServer, person: Person, rp: RelyingParty) -> None:
    """acr_values, RFC 9470 section 4; a person signed in with a password alone is stepped up."""
    _, claims = await rp.verified((await rp.sign_in(person))["id_token"])
    assert claims["acr"] == "aal1"
    old_cookie = person.http.cookies["__Host-ostiary_session"]
    await person.visit(rp.url(acr_values="aal2"))
    assert person.title == "Protect your account"
    await person.submit(("decision", "postpone"))
    assert person.title == "Protect your account"
    await person.enrol()
    await person.visit(rp.url(acr_values="aal2"))
    _, claims = await rp.verified((await rp.redeem(person.answer()["code"])).json()["id_token"])
    assert claims["acr"] == "aal2"
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert person.http.cookies["__Host-ostiary_session"] != old_cookie
    async with Person(server) as thief:
        thief.http.cookies.set("__Host-ostiary_session", old_cookie, domain="login.example.com")
        await thief.visit(rp.url())
        assert thief.title == "Sign in"


async def test_prompt_none_does_not_step_up(person: Person, rp: RelyingParty) -> None:
    await rp.sign_in(person)
    await person.visit(rp.url(acr_values="aal2", prompt="none"))
    assert person.answer()["error"] == "interaction_required"


@pytest.mark.parametrize("overrides", [{"mfa": "off"}], indirect=True)
async def test_an_essential_strength_that_is_not_to_be_had_is_an_error(person: Person, rp: RelyingParty) -> None:
    """Section 5.5.1.1."""
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": ["aal2"]}}})
    await person.visit(rp.url(claims=claims))
    await person.sign_in()
    assert person.answer()["error"] == "unmet_authentication_requirements"
    await person.visit(rp.url(claims=claims.replace("aal2", "gold")))
    assert person.answer()["error"] == "unmet_authentication_requirements"


def _essential(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": values}}})


@pytest.mark.parametrize("overrides", [{"mfa": "off"}], indirect=True)
async def test_one_of_several_essential_strengths_is_enough(person: Person, rp: RelyingParty) -> None:
    """Section 5.5.1.1: an acr that matches one of the requested values."""
    for claims in (_essential("aal2", "aal1"), _essential("gold", "aal2", "aal1")):
        tokens = await rp.sign_in(person, claims=claims, prompt="login")
        assert (await rp.verified(tokens["id_token"]))[1]["acr"] == "aal1"
    await person.visit(rp.url(claims=_essential("aal2", "gold")))
    assert person.answer()["error"] == "unmet_authentication_requirements"


async def test_where_nobody_can_be_asked_each_listed_strength_will_do(person: Person, rp: RelyingParty) -> None:
    """Sections 3.1.2.1 and 5.5.1.1: the first is preferred where there is a choice, and no other is demanded."""
    await rp.sign_in(person)
    wishes: tuple[dict[str, str], ...] = ({"claims": _essential("aal2", "aal1")}, {"acr_values": "aal2 aal1"})
    for wish in wishes:
        await person.visit(rp.url(**wish, prompt="none"))
        tokens = (await rp.redeem(person.answer()["code"])).json()
        assert (await rp.verified(tokens["id_token"]))[1]["acr"] == "aal1"
        await person.visit(rp.url(**wish))
        assert person.title == "Protect your account"
    await person.visit(rp.url(claims=_essential("aal2"), prompt="none"))
    assert person.answer()["error"] == "interaction_required"


@pytest.mark.parametrize("overrides", [{"mfa": "required"}], indirect=True)
async def test_where_a_second_factor_is_required_nobody_gets_around_it(person: Person, rp: RelyingParty) -> None:
    await person.visit(rp.url())
    await person.sign_in()
    assert person.title == "Protect your account"
    await person.submit(("decision", "postpone"))
    assert person.title == "Protect your account"
    await person.visit(rp.url())
    assert person.title == "Protect your account"
    await person.visit(rp.url(prompt="none"))
    assert person.answer()["error"] == "interaction_required"
    await person.visit("/account")
    assert person.title == "Protect your account"
    await person.enrol()
    await person.visit("/account")
    assert person.title == "Your account"
