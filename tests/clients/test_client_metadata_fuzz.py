"""Whatever is sent as client metadata gives a client or the error of RFC 7591 section 3.2.2, nothing else."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from clients.client import Client
from clients.metadata import MEMBERS, InvalidClientMetadata, validate
from tests.clients.registered import JWKS, REDIRECT_URI
from tests.keys.material import NOW

LEAST: dict[str, Any] = {"redirect_uris": [REDIRECT_URI]}
SERVICE: dict[str, Any] = {"grant_types": ["client_credentials"]}

texts = st.text(max_size=20) | st.sampled_from(
    [
        "code",
        "none",
        "authorization_code",
        "client_credentials",
        "private_key_jwt",
        "native",
        "ES256",
        "EC",
        "P-256",
        REDIRECT_URI,
    ]
)
names = st.sampled_from([*MEMBERS, "client_name#de", "keys", "kty", "crv", "x", "y", "n", "e", "use", "alg", "kid"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | texts, inner, max_size=6),
    max_leaves=20,
)


def outcome_of(metadata: object) -> dict[str, Any] | InvalidClientMetadata:
    try:
        return validate(metadata)
    except InvalidClientMetadata as error:
        return error


def check_outcome(metadata: object) -> None:
    """Metadata gives a client whose every property can be read, or the one error; nothing else is ever raised."""
    valid = outcome_of(metadata)
    if isinstance(valid, InvalidClientMetadata):
        assert valid.error in ("invalid_client_metadata", "invalid_redirect_uri")
        assert valid.description
        return
    assert validate(valid) == valid
    assert json.loads(json.dumps(valid).encode()) == valid
    client = Client("cli_fuzz", valid, (), disabled=False, created_at=NOW)
    for name in (name for name in dir(Client) if not name.startswith("_")):
        assert getattr(client, name) is not NotImplemented


@given(json_values)
def test_any_json_gives_a_client_or_the_error_of_the_rfc(metadata: object) -> None:
    check_outcome(metadata)


@given(st.dictionaries(names, json_values, max_size=4), st.sampled_from([LEAST, SERVICE]))
@example({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}}, LEAST)
def test_any_json_member_gives_a_client_or_the_error_of_the_rfc(members: dict[str, Any], base: dict[str, Any]) -> None:
    check_outcome({**members, **base})
    check_outcome({**base, **members})


@given(names, json_values)
def test_any_member_of_a_key_gives_a_client_or_the_error_of_the_rfc(name: str, value: object) -> None:
    keys = [{**JWKS["keys"][0], name: value}, JWKS["keys"][0] | {"kid": "other"}]
    check_outcome({**LEAST, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}})
    check_outcome({**LEAST, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys[:1]}})
