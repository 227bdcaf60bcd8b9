"""What the OpenID Foundation's conformance suite needs here: settings, clients, and its own configuration by plan.

docs/certification.md says which plan takes which file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from clients.profiles import PERSON_SCOPE, apply
from keys.decoding import encode_base64url

SUITE = "https://localhost.emobix.co.uk:8443/test/a/ostiary"
"""Where the suite waits for answers when it runs on the same machine; the last part is the alias."""
SETTINGS: Mapping[str, str] = {
    "RESPONSE_TYPES": "code, id_token, id_token token, code id_token, code token, code id_token token",
    "SIGNING_ALGORITHMS": "RS256 PS256 ES256 EdDSA",
    "CLIENT_REGISTRATION": "open",
    "PKCE": "public",
    "SESSION_MANAGEMENT": "on",
    "MFA": "off",
    "EMAIL_VERIFICATION": "off",
}
"""What the plans need beyond the defaults, without the prefix."""
CLAIMS: Mapping[str, Any] = {
    "name": "Cora Conformance",
    "given_name": "Cora",
    "family_name": "Conformance",
    "middle_name": "Carla",
    "nickname": "Coco",
    "preferred_username": "cora",
    "profile": "https://example.com/cora",
    "picture": "https://example.com/cora.png",
    "website": "https://cora.example.com",
    "gender": "female",
    "birthdate": "1990-01-31",
    "zoneinfo": "Europe/Berlin",
    "locale": "en-GB",
    "phone_number": "+49 30 123456",
    "phone_number_verified": True,
    "address": {"street_address": "1 High Street", "locality": "Town", "postal_code": "12345", "country": "Germany"},
}
"""With `sub`, `email`, `email_verified` and `updated_at`: all twenty standard claims."""
FAPI_ALGORITHM = "ES256"


@dataclass(frozen=True, slots=True)
class PlannedClient:
    """A client that the suite plays."""

    client_id: str
    metadata: Mapping[str, Any]
    private_jwks: Mapping[str, Any] | None = None
    """The keys that the suite signs with."""


def private_key(kid: str) -> dict[str, str]:
    """Return a new P-256 key as a JWK with its private part."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    point = numbers.public_numbers
    values = {"x": point.x, "y": point.y, "d": numbers.private_value}
    parts = {name: encode_base64url(value.to_bytes(32)).decode("ascii") for name, value in values.items()}
    return {"kty": "EC", "crv": "P-256", "use": "sig", "alg": FAPI_ALGORITHM, "kid": kid, **parts}


def web_client(client_id: str, suite: str, method: str = "client_secret_basic") -> PlannedClient:
    """Return a client of the OpenID Connect plans, whose modules send no PKCE."""
    metadata = {
        "client_name": client_id,
        "redirect_uris": [f"{suite}/callback", f"{suite}/callback?dummy1=lorem&dummy2=ipsum"],
        "post_logout_redirect_uris": [f"{suite}/post_logout_redirect"],
        "frontchannel_logout_uri": f"{suite}/frontchannel_logout",
        "backchannel_logout_uri": f"{suite}/backchannel_logout",
        "initiate_login_uri": f"{suite}/third_party_init_login",
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "response_types": [name.strip() for name in SETTINGS["RESPONSE_TYPES"].split(",")],
        "scope": PERSON_SCOPE,
        "token_endpoint_auth_method": method,
        "require_pkce": False,
    }
    return PlannedClient(client_id, metadata)


def fapi_client(client_id: str, suite: str, *, is_signing: bool) -> PlannedClient:
    """Return a client of the FAPI 2.0 plans: private_key_jwt and DPoP, with message signing in both directions."""
    key = private_key(client_id)
    public = {name: value for name, value in key.items() if name != "d"}
    signing = {"require_signed_request_object": True, "authorization_signed_response_alg": FAPI_ALGORITHM}
    redirect = [f"{suite}/callback", f"{suite}/callback?dummy1=lorem&dummy2=ipsum"]
    given = {
        "client_name": client_id,
        "redirect_uris": redirect,
        "jwks": {"keys": [public]},
        "id_token_signed_response_alg": FAPI_ALGORITHM,
        **(signing if is_signing else {}),
    }
    return PlannedClient(client_id, apply("fapi2", given), {"keys": [key]})


def clients_of(suite: str) -> dict[str, tuple[tuple[str, PlannedClient], ...]]:
    """Return for each file of configuration the clients in it, by the name that the suite has for them."""
    first, second = (web_client(f"conformance-{number}", suite) for number in (1, 2))
    post = web_client("conformance-post", suite, "client_secret_post")
    plans = {"openid": (("client", first), ("client2", second), ("client_secret_post", post)), "dynamic": ()}
    for name, is_signing in (("fapi2", False), ("fapi2-message-signing", True)):
        made = (fapi_client(f"conformance-{name}-{number}", suite, is_signing=is_signing) for number in (1, 2))
        plans[name] = tuple(zip(("client", "client2"), made, strict=True))
    return plans


def configuration(
    name: str, clients: tuple[tuple[str, PlannedClient], ...], secrets: Mapping[str, str], *, issuer: str, suite: str
) -> str:
    """Return what the suite takes as the JSON of a plan."""
    document: dict[str, Any] = {
        "alias": suite.rstrip("/").rpartition("/")[2],
        "description": f"Ostiary, {name}",
        "server": {"discoveryUrl": f"{issuer.rstrip('/')}/.well-known/openid-configuration"},
    }
    for member, client in clients:
        own: dict[str, Any] = {"client_id": client.client_id, "scope": client.metadata["scope"]}
        if client.client_id in secrets:
            own["client_secret"] = secrets[client.client_id]
        if client.private_jwks is not None:
            own["jwks"] = client.private_jwks
        document[member] = own
    if any(client.private_jwks is not None for _, client in clients):
        document["resource"] = {"resourceUrl": f"{issuer.rstrip('/')}/userinfo"}
    return json.dumps(document, indent=2) + "\n"
