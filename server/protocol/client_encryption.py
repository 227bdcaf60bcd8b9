"""Encrypting what is made for a client: to a key of its `jwks`, or of its `jwks_uri`, which is fetched beforehand.

What is signed is signed first, so that a third party can still be shown it (RFC 7519 section 11.2).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from clients.client import Client
from clients.encryption import ANSWERS
from keys import jwe
from keys.jose import JoseError
from keys.jwe import Encryption, EncryptionKey
from server.protocol.errors import UnauthorizedClientError
from server.protocol.services import Services

NESTED: Mapping[str, Any] = MappingProxyType({"cty": "JWT"})
"""RFC 7519 section 5.2: what is inside is a JWT again."""
UNKNOWN_KID = ""


async def load_keys(services: Services, client: Client) -> None:
    """Fetch what the client publishes, if something is encrypted for it: before a transaction, for fetching waits.

    Never raises: whether there is a key is checked where one is needed.
    """
    wanted = [encryption for answer in ANSWERS if (encryption := client.encryption_of(answer)) is not None]
    if client.jwks_uri is None or not wanted:
        return
    await services.client_keys.find(client)
    if any(_find(services, client, encryption) is None for encryption in wanted):
        await services.client_keys.find(client, UNKNOWN_KID)  # it may have one by now


def check(services: Services, client: Client, answer: str) -> None:
    """Refuse, before anything is used up, what could not be encrypted in the end. Raises UnauthorizedClientError."""
    encryption = client.encryption_of(answer)
    if encryption is not None:
        _key(services, client, encryption)


def encrypt(services: Services, client: Client, answer: str, token: str, header: Mapping[str, Any] = NESTED) -> str:
    """Return a token encrypted for the client, or as it is where the client wants it so.

    `header` is what the header says beside algorithms and key. Raises UnauthorizedClientError where there is no key.
    """
    encryption = client.encryption_of(answer)
    if encryption is None:
        return token
    try:
        return jwe.encrypt(token, _key(services, client, encryption), encryption, header)
    except JoseError:
        raise UnauthorizedClientError("Nothing can be encrypted to the client's key") from None


def _key(services: Services, client: Client, encryption: Encryption) -> EncryptionKey:
    key = _find(services, client, encryption)
    if key is None:
        raise UnauthorizedClientError("The client has no key to which its answers could be encrypted as it registered")
    return key


def _find(services: Services, client: Client, encryption: Encryption) -> EncryptionKey | None:
    published = services.client_keys.cached(client)
    jwks = client.metadata.get("jwks") if published is None else published.jwks
    return jwe.key_for(jwks, encryption.alg)
