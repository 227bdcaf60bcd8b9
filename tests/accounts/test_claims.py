import dataclasses
from typing import Any

import pytest

from server.accounts.claims import SCOPE_CLAIMS, STANDARD_CLAIMS, claims_of, demanded_subjects, select
from server.accounts.user import User

PROFILE: dict[str, Any] = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "King",
    "nickname": "Countess",
    "preferred_username": "ada",
    "profile": "https://example.com/ada",
    "picture": "https://example.com/ada.png",
    "website": "https://example.com",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "phone_number": "+44 20 7946 0000",
    "phone_number_verified": True,
    "address": {"locality": "London", "country": "GB"},
}
FULL = User(
    id="usr_ada",
    email="ada@example.com",
    email_verified=True,
    username="countess",
    organization=None,
    password_hash=None,
    claims=PROFILE,
    roles=("admin",),
    is_disabled=False,
    is_deleted=False,
    created_at=1,
    updated_at=2,
    mfa_postponed_at=None,
    password_changed_at=None,
    language=None,
    is_language_chosen=False,
    erase_at=None,
)
BARE = dataclasses.replace(FULL, claims={}, roles=(), username=None, email_verified=False)


def test_all_twenty_standard_claims_are_known() -> None:
    """OpenID Connect Core section 5.1."""
    assert len(set(STANDARD_CLAIMS)) == 20


def test_a_full_profile_has_all_of_them() -> None:
    claims = claims_of(FULL)
    assert set(claims) == {*STANDARD_CLAIMS}
    assert (claims["sub"], claims["updated_at"]) == ("usr_ada", 2)


def test_a_claim_without_a_value_is_left_out() -> None:
    """OpenID Connect Core section 5.3.2."""
    assert claims_of(BARE) == {
        "sub": "usr_ada",
        "email": "ada@example.com",
        "email_verified": False,
        "updated_at": 2,
    }


def test_the_preferred_username_falls_back_to_the_username() -> None:
    assert claims_of(dataclasses.replace(FULL, claims={}))["preferred_username"] == "countess"


def test_a_telephone_number_says_whether_it_was_verified_and_nothing_says_so_without_one() -> None:
    assert claims_of(dataclasses.replace(BARE, claims={"phone_number": "+1"}))["phone_number_verified"] is False
    assert "phone_number_verified" not in claims_of(dataclasses.replace(BARE, claims={"phone_number_verified": True}))


def test_stored_claims_never_replace_who_somebody_is() -> None:
    hostile = {"sub": "usr_other", "email": "x@y", "email_verified": True, "roles": ["admin"], "acr": "aal2"}
    assert claims_of(dataclasses.replace(BARE, claims=hostile)) == claims_of(BARE)


@pytest.mark.parametrize("scope", SCOPE_CLAIMS)
def test_a_scope_gives_its_claims_and_sub(scope: str) -> None:
    """OpenID Connect Core section 5.4."""
    known = claims_of(FULL) | {"roles": ["admin"], "permissions": ["read:posts"], "org": []}
    assert set(select(known, ["openid", scope], None)) == {"sub", *SCOPE_CLAIMS[scope]}


def test_scopes_without_claims_give_sub_alone() -> None:
    assert select(claims_of(FULL), ["openid", "offline_access", "unknown"], {}) == {"sub": "usr_ada"}


@pytest.mark.parametrize(
    "wish",
    [None, {}, {"essential": True}, {"value": "somebody else"}, {"values": ["a", "b"]}, "odd", 7],
)
def test_a_requested_claim_is_given_whatever_is_wished_of_it(wish: object) -> None:
    """OpenID Connect Core section 5.5.1."""
    assert select(claims_of(FULL), ["openid"], {"nickname": wish}) == {"sub": "usr_ada", "nickname": "Countess"}


def test_unknown_and_missing_claims_are_ignored() -> None:
    requested = {"nickname": {"essential": True}, "https://example.com/claim": None, "password_hash": None}
    assert select(claims_of(BARE), ["openid"], requested) == {"sub": "usr_ada"}


@pytest.mark.parametrize(
    ("demand", "subjects"),
    [
        ({"value": "usr_other"}, ["usr_other"]),
        ({"values": ["usr_x", "usr_y"]}, ["usr_x", "usr_y"]),
        ({"value": "usr_x", "values": ["usr_x", "usr_y"]}, ["usr_x"]),
        ({"value": "usr_x", "values": ["usr_y"]}, []),
        ({"value": 7}, []),
        ({"values": [["usr_x"], None]}, []),
    ],
)
def test_a_demanded_subject_is_told(demand: dict[str, object], subjects: list[str]) -> None:
    """OpenID Connect Core section 5.5.1."""
    assert demanded_subjects({"sub": demand}) == frozenset(subjects)


@pytest.mark.parametrize("requested", [None, {}, {"sub": None}, {"sub": {"essential": True}}, {"sub": {"values": "x"}}])
def test_without_a_demand_anybody_will_do(requested: dict[str, object] | None) -> None:
    assert demanded_subjects(requested) is None
