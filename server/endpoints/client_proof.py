"""What proving a client needs beside its row: keys from its `jwks_uri`, its secret unsealed, its certificate.

Done before the transaction, because fetching waits for others; and only for a client whose method needs it, so that
nobody makes us fetch or unseal anything by naming somebody else's method.
"""

from dataclasses import replace

from starlette.requests import Request

from clients.authentication import Presented
from clients.client import Client
from keys.jose import unverified_kid
from keys.sealing import SealError
from server.observability.logging import logger
from server.protocol.client_secrets import context_of
from server.protocol.services import Services


def with_certificate(request: Request, presented: Presented) -> Presented:
    """Return what is presented with the certificate that a trusted proxy tells of."""
    certificate = request.scope.get("client_certificate")
    return presented if certificate is None else replace(presented, certificate=certificate)


async def complete(services: Services, client: Client | None, presented: Presented, now: int) -> Presented:
    """Return what is presented with what its proof will be compared with."""
    method = None if client is None or client.disabled else client.token_endpoint_auth_method
    if client is None or method is None:
        return presented
    if method == "private_key_jwt" and presented.method == method:
        published = await services.client_keys.find(client, unverified_kid(presented.credential))
        return presented if published is None else replace(presented, keys=published.keys)
    if method == "self_signed_tls_client_auth" and presented.certificate is not None:
        published = await services.client_keys.find(client)
        if published is not None and presented.certificate.thumbprint not in published.certificates:
            published = await services.client_keys.find(client, presented.certificate.thumbprint)  # it may be new
        return presented if published is None else replace(presented, certificates=published.certificates)
    if method == "client_secret_jwt" and presented.method == "private_key_jwt":
        return replace(presented, shared_secrets=_shared_secrets(services, client, now))
    return presented


def _shared_secrets(services: Services, client: Client, now: int) -> tuple[bytes, ...]:
    unsealed = []
    for secret in client.secrets:
        if secret.sealed is None or (secret.expires_at is not None and secret.expires_at <= now):
            continue
        try:
            unsealed.append(services.sealer.unseal(secret.sealed, context=context_of(secret.id)))
        except SealError as error:
            logger().error("client_secret_unreadable", cause=str(error))
    return tuple(unsealed)
