"""Everything the server holds about the person."""

from typing import Any

from sqlalchemy import Connection

from server.accounts import export
from server.api.call import Call, Reply, check_fresh
from server.api.operation import Answer, Operation
from server.protocol.bearer import BearerToken


async def export_data(call: Call) -> Reply:
    """Return the person's own copy of their data."""

    def work(db: Connection, token: BearerToken) -> dict[str, Any]:
        check_fresh(call, token)  # a stolen token shows less after a while
        issuer, context = call.services.settings.issuer, call.by(token.user)
        return export.collect(db, token.user, issuer=issuer, context=context, now=call.now)

    return Reply(200, await call.run(work))


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/auth/export",
        id="export",
        tag="Account",
        summary="Export all data",
        description="Everything the server holds about the person, without secrets; times are ISO 8601.",
        handler=export_data,
        is_bearer=True,
        answers={
            200: Answer(
                "The data.",
                {
                    "type": "object",
                    "required": ["format", "issuer", "created_at", "account", "claims"],
                    "properties": {
                        "format": {"type": "integer"},
                        "issuer": {"type": "string"},
                        "created_at": {"type": "string", "format": "date-time"},
                        "account": {"type": "object"},
                        "claims": {"type": "object"},
                    },
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                },
                {
                    "format": 1,
                    "issuer": "https://login.example.com",
                    "created_at": "2026-09-21T13:33:20Z",
                    "account": {"id": "usr_4nq2hv7mzk3wd6xj5rb2ytcaue", "email": "ada@example.com"},
                    "claims": {"sub": "usr_4nq2hv7mzk3wd6xj5rb2ytcaue", "name": "Ada Lovelace"},
                    "sessions": [],
                },
            )
        },
    ),
)
