"""`ostiary client create` and `update`: what an operator gets wrong is said, with what to write instead."""

import json

import pytest

from tests.cli.conftest import CommandLine

REDIRECT_URI = "https://a.example/cb"
WEB = {"redirect_uris": [REDIRECT_URI]}
CREATE = ("client", "create", "--metadata", "-")

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def refusal(ostiary: CommandLine, *words: str, **members: object) -> str:
    return ostiary.refusal(*CREATE, *words, stdin=json.dumps(members))


@pytest.mark.parametrize(
    ("member", "advice"),
    [
        ("redirect_uri", "redirect_uri (did you mean redirect_uris?)"),
        ("redirect-uris", "redirect-uris (did you mean redirect_uris?)"),
        ("Require_MFA", "Require_MFA (did you mean require_mfa?)"),
        ("client_nam#de", "client_nam#de (did you mean client_name#de?)"),
        ("redirect_uris#de", "redirect_uris#de (did you mean redirect_uris?)"),
        ("client_id", "client_id (--client-id chooses it)"),
        ("client_secret", "client_secret (the server makes it)"),
        ("software_statement", "software_statement (it is not supported)"),
        ("zzz", "no client metadata: zzz"),
        ("", "no client metadata: ''"),
        ("a\nb", "no client metadata: 'a\\nb'"),
    ],
)
def test_a_member_that_is_none_is_refused_with_what_was_meant(ostiary: CommandLine, member: str, advice: str) -> None:
    """A policy that is misspelled would not hold."""
    assert advice in refusal(ostiary, **{**WEB, member: "x"})
    assert ostiary.json("client", "list") == []


def test_a_member_that_is_none_is_refused_also_when_it_removes(ostiary: CommandLine) -> None:
    made = ostiary.json(*CREATE, stdin=json.dumps({**WEB, "require_mfa": True}))
    update = ("client", "update", made["client_id"], "--metadata", "-")
    line = ostiary.refusal(*update, stdin='{"require_mfaa": null, "client_name": "Shop"}')
    assert "require_mfaa (did you mean require_mfa?)" in line
    assert "client_name" not in ostiary.json("client", "show", made["client_id"])
    assert "profile (it is for `ostiary client create`)" in ostiary.refusal(*update, stdin='{"profile": "web"}')


def test_many_wrong_members_are_named_shortly(ostiary: CommandLine) -> None:
    line = refusal(ostiary, **{f"zz{number}": 1 for number in range(9)})
    assert line.endswith("zz0, zz1, zz2, zz3, zz4 and 4 more")


def test_members_in_a_language_are_metadata(ostiary: CommandLine) -> None:
    """RFC 7591 section 2.2."""
    made = ostiary.json(*CREATE, stdin=json.dumps({**WEB, "client_name": "Shop", "client_name#de": "Laden"}))
    assert made["client_name#de"] == "Laden"


def test_what_show_prints_can_be_given_back_and_nothing_else_of_it(ostiary: CommandLine) -> None:
    made = ostiary.json(*CREATE, "--client-id", "shop", stdin=json.dumps(WEB))
    shown = ostiary.json("client", "show", made["client_id"])
    update = ("client", "update", "shop", "--metadata", "-")
    assert ostiary.json(*update, stdin=json.dumps({**shown, "client_name": "Shop"}))["client_name"] == "Shop"
    line = ostiary.refusal(*update, stdin=json.dumps({**shown, "status": "disabled"}))
    assert "status (`ostiary client disable` and `enable` change it)" in line
    assert "--client-id" in ostiary.refusal(*update, stdin=json.dumps({**shown, "client_id": "other"}))


def test_two_profiles_contradict_each_other(ostiary: CommandLine) -> None:
    line = refusal(ostiary, "--profile", "web", profile="spa", **WEB)
    assert line == "--profile web contradicts the profile spa in --metadata: give one of them"
    made = ostiary.json(*CREATE, "--profile", "spa", stdin=json.dumps({**WEB, "profile": "spa"}))
    assert made["token_endpoint_auth_method"] == "none"


def test_a_value_that_contradicts_the_profile_is_named_with_what_the_profile_wants(ostiary: CommandLine) -> None:
    line = refusal(ostiary, "--profile", "spa", token_endpoint_auth_method="client_secret_post", **WEB)
    assert 'token_endpoint_auth_method "client_secret_post" contradicts the profile spa, which wants "none"' in line


@pytest.mark.parametrize(
    ("words", "members", "hint"),
    [
        (("--profile", "web"), {}, "redirect_uris are needed for response_types (--redirect-uri)"),
        (("--redirect-uri", "http://a.example/cb"), {}, "must be https outside loopback (--redirect-uri)"),
        (
            (),
            {**WEB, "token_endpoint_auth_method": "private_key_jwt"},
            "needs jwks or jwks_uri: put jwks or jwks_uri in",
        ),
        ((), {**WEB, "token_endpoint_auth_method": "tls_client_auth"}, "put one of them in --metadata"),
        (
            (),
            {**WEB, "id_token_encrypted_response_enc": "A128GCM"},
            "put id_token_encrypted_response_alg in --metadata",
        ),
        ((), {**WEB, "grant_types": ["authorization_code", "password"]}, "grant_types: password is not supported"),
    ],
)
def test_what_is_missing_is_said_with_where_to_give_it(
    ostiary: CommandLine, words: tuple[str, ...], members: dict[str, object], hint: str
) -> None:
    assert hint in refusal(ostiary, *words, **members)


def test_an_update_has_no_options_to_name(ostiary: CommandLine) -> None:
    ostiary.json(*CREATE, "--client-id", "shop", stdin=json.dumps(WEB))
    line = ostiary.refusal("client", "update", "shop", "--metadata", "-", stdin='{"redirect_uris": null}')
    assert line.endswith("redirect_uris are needed for response_types: put redirect_uris in --metadata")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"scope": "a",\n  oops}', "--metadata is not valid JSON: Expecting property name enclosed in double quotes"),
        ("", "--metadata is not valid JSON: Expecting value, line 1 column 1"),
        ("[]", "--metadata: not a JSON object"),
        ('{"scope": "a", "scope": "b"}', "--metadata: a member stands twice"),
    ],
)
def test_json_that_is_none_is_told_with_its_place(ostiary: CommandLine, text: str, line: str) -> None:
    said = ostiary.refusal(*CREATE, stdin=text)
    assert said.startswith(line)
    assert "oops" not in text or said.endswith("line 2 column 3")


def test_a_file_that_is_not_there_is_named(ostiary: CommandLine) -> None:
    line = ostiary.refusal("client", "create", "--metadata", "nowhere.json")
    assert line == "--metadata: nowhere.json cannot be read: No such file or directory"


def test_an_algorithm_of_keys_does_not_go_with_a_shared_secret(ostiary: CommandLine) -> None:
    method = {"token_endpoint_auth_method": "client_secret_jwt"}
    line = refusal(ostiary, **WEB, **method, token_endpoint_auth_signing_alg="RS256")
    assert line.endswith("client_secret_jwt goes with token_endpoint_auth_signing_alg HS256 alone")
    line = refusal(ostiary, **WEB, token_endpoint_auth_signing_alg="HS256")
    assert line.endswith("token_endpoint_auth_signing_alg HS256 goes with client_secret_jwt alone")


def test_a_wildcard_in_a_host_is_named(ostiary: CommandLine) -> None:
    """RFC 9700 section 2.1."""
    for uri in ("https://*.example.com/cb", "https://app-*.example.com/cb", "http://*/cb"):
        assert "wildcards are not accepted" in refusal(ostiary, redirect_uris=[uri])


def test_who_speaks_for_others_needs_keys_of_its_own_here(ostiary: CommandLine) -> None:
    """RFC 7523 section 2.1: assertions are verified with `jwks` alone."""
    for keys in ({}, {"jwks_uri": "https://a.example/jwks"}):
        line = refusal(ostiary, **WEB, **keys, jwt_bearer_subjects=["*"])
        assert "jwt_bearer_subjects needs jwks" in line
