"""Registrations for foreign clients, through the command line as an operator makes them."""

import json
from typing import Any

from tests.support.process import ServerProcess


def web_client(server: ServerProcess, callback: str, **metadata: Any) -> dict[str, Any]:
    """Register a web application with a secret."""
    return _create(server, "web", {"client_name": "Web Shop", "redirect_uris": [callback], **metadata})


def _create(server: ServerProcess, profile: str, metadata: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = server.cli(
        "client", "create", "--profile", profile, "--metadata", "-", stdin=json.dumps(metadata)
    )
    return made
