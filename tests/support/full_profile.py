"""A person of whom everything is known that OpenID Connect Core section 5.1 has a claim for."""

from typing import Any

FULL_PROFILE: dict[str, Any] = {
    "name": "Alice Ample",
    "given_name": "Alice",
    "family_name": "Ample",
    "middle_name": "Amber",
    "nickname": "Al",
    "preferred_username": "alice",
    "profile": "https://example.com/alice",
    "picture": "https://example.com/alice.png",
    "website": "https://alice.example.com",
    "gender": "female",
    "birthdate": "1990-01-31",
    "zoneinfo": "Europe/Berlin",
    "locale": "en-GB",
    "phone_number": "+49 30 123456",
    "phone_number_verified": True,
    "address": {"street_address": "1 High Street", "locality": "Town", "country": "Germany"},
}
