"""Registrations for foreign clients, through the command line as an operator makes them."""

import json
from typing import Any

from joserfc.jwk import RSAKey

from tests.support.process import ServerProcess

API_SCOPE = "read:things"


def web_client(server: ServerProcess, callback: str, **metadata: Any) -> dict[str, Any]:
    """Register a web application with a secret."""
    return _create(server, "web", {"client_name": "Web Shop", "redirect_uris": [callback], **metadata})


def spa_client(server: ServerProcess, callback: str) -> dict[str, Any]:
    """Register a public client."""
    return _create(server, "spa", {"client_name": "App", "redirect_uris": [callback]})


def service_client(server: ServerProcess, **metadata: Any) -> dict[str, Any]:
    """Register a backend service."""
    return _create(server, "service", {"client_name": "Job", "scope": API_SCOPE, **metadata})


def service_with_key(server: ServerProcess) -> dict[str, Any]:
    """Register a backend service that signs its requests; `private_key` holds its key as a JWK."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "job-1"})
    public = {name: value for name, value in key.as_dict(private=False).items() if name != "key_ops"}
    client = service_client(server, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public]})
    return {**client, "private_key": key.as_dict(private=True)}


def _create(server: ServerProcess, profile: str, metadata: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = server.cli(
        "client", "create", "--profile", profile, "--metadata", "-", stdin=json.dumps(metadata)
    )
    return made
