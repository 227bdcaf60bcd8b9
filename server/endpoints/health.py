"""Health: whether the process lives, and whether it can serve."""

import asyncio

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.protocol.services import services_of
from server.storage import migrations, versions
from server.storage.database import DatabaseUnavailableError

READY_SECONDS = 3
_HEADERS = {"cache-control": "no-store"}


async def live(_request: Request) -> Response:
    """Say that the process answers."""
    return JSONResponse({"status": "ok"}, headers=_HEADERS)


async def ready(request: Request) -> Response:
    """Say whether the database answers and is migrated, and a signing key is there; 503 where not."""
    services = services_of(request)
    checks = {"database": "ok", "migrations": "ok", "signing_key": "ok"}
    try:
        async with asyncio.timeout(READY_SECONDS):
            is_migrated = await services.database.read(_is_migrated)
        checks["migrations"] = "ok" if is_migrated else "run `ostiary db upgrade`"
    except (DatabaseUnavailableError, TimeoutError):
        checks["database"] = checks["migrations"] = "unavailable"
    if not services.keys.is_ready:
        checks["signing_key"] = "missing"
    is_ready = set(checks.values()) == {"ok"}
    status, body = (200, "ok") if is_ready else (503, "unavailable")
    return JSONResponse({"status": body, "checks": checks}, status, headers=_HEADERS)


def _is_migrated(db: Connection) -> bool:
    versions.current(db)
    return migrations.state(db) is not migrations.State.MISSING
