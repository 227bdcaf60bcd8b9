"""A UserInfo answer as its client registered it (OpenID Connect Core 5.3.2): JSON, signed, encrypted, or both."""

import json
from collections.abc import Mapping
from dataclasses import replace

from clients.client import Client
from clients.encryption import USERINFO
from server.protocol import client_encryption
from server.protocol.client_encryption import NESTED
from server.protocol.errors import OAuth2Error
from server.protocol.response import Answer, error_answer
from server.protocol.services import Services
from server.protocol.signing import algorithm_for

MEDIA_TYPE = "application/jwt"
TYPE = "JWT"
CLAIMS_ALONE = {"typ": TYPE}
"""Encrypted but not signed: what is inside is no JWT again."""


async def encode(services: Services, client_id: str, answer: Answer, now: int) -> Answer:
    """Return the answer as the client of the access token wants it."""
    client = await services.registry.find(client_id)
    if client is None or (client.userinfo_signed_response_alg is None and client.encryption_of(USERINFO) is None):
        return answer
    await client_encryption.load_keys(services, client)
    try:
        return replace(answer, body=_jwt(services, client, answer, now), media_type=MEDIA_TYPE)
    except OAuth2Error as error:
        return error_answer(error)


def _jwt(services: Services, client: Client, answer: Answer, now: int) -> str:
    own = answer.body if isinstance(answer.body, Mapping) else {}
    claims = {**own, "iss": services.settings.issuer, "aud": client.client_id}
    registered = client.userinfo_signed_response_alg
    if registered is None:
        return client_encryption.encrypt(services, client, USERINFO, json.dumps(claims), CLAIMS_ALONE)
    # Without `exp`: what has none is never taken for an ID token, which is signed by the same key.
    signer = services.keys.signer(algorithm_for(client, registered, services.settings))
    return client_encryption.encrypt(services, client, USERINFO, signer.sign({**claims, "iat": now}, typ=TYPE), NESTED)
