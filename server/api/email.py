"""Proving an e-mail address."""

from sqlalchemy import Connection

from server.accounts import email_change, verification
from server.api.call import Call, Reply
from server.api.errors import ApiError
from server.api.operation import Answer, Body, Member, Operation, Schema
from server.protocol.bearer import BearerToken

INVALID_LINK = "Invalid or expired token"
VERIFIED = {"message": "Email verified"}
RESENT = {"message": "Verification email sent"}
TOKEN: Schema = {"type": "string", "maxLength": 1024}


def message(example: dict[str, str]) -> Schema:
    """Return the schema of an answer that only says something."""
    return {
        "type": "object",
        "required": ["message"],
        "properties": {"message": {"type": "string", "const": example["message"]}},
    }


async def verify(call: Call) -> Reply:
    """Use a mailed link up: the address that the person has, or the one to which they are changing."""
    if not await call.services.database.run(lambda db: _verify(db, call)):
        raise ApiError(400, INVALID_LINK)
    return Reply(200, VERIFIED)


def _verify(db: Connection, call: Call) -> bool:
    token = call.text("token")
    if token.startswith(email_change.PREFIX):
        sealer = call.services.sealer
        return email_change.confirm(db, token, sealer=sealer, context=call.context, now=call.now) is not None
    return verification.confirm(db, token, context=call.context, now=call.now) is not None


async def resend(call: Call) -> Reply:
    """Mail the link again, as far as the mailbox's limit allows; the answer does not tell."""

    def work(db: Connection, token: BearerToken) -> None:
        services, user = call.services, token.user
        verification.send(
            db, user, sealer=services.sealer, settings=services.settings, context=call.by(user), now=call.now
        )

    await call.run(work)
    return Reply(202, RESENT)


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/auth/email/verify",
        id="email_verify",
        tag="E-mail",
        summary="Verify an e-mail address",
        description=(
            "Takes the `token` of a mailed link, once: of the mail that verifies the address, or of the one that "
            "confirms a new address."
        ),
        handler=verify,
        body=Body((Member("token", TOKEN),), {"token": "ove_Qm9vbGVhbiBhbGdlYnJhIGFuZCBlbmdpbmVz"}),
        answers={200: Answer("The address is verified.", message(VERIFIED), VERIFIED)},
        refusals={400: f"`{INVALID_LINK}`."},
    ),
    Operation(
        method="POST",
        path="/api/auth/email/resend",
        id="email_resend",
        tag="E-mail",
        summary="Mail the verification link again",
        description="Mails the link again, unless the address is verified or too many mails went there.",
        handler=resend,
        is_bearer=True,
        answers={202: Answer("A mail is on its way, if one is needed.", message(RESENT), RESENT)},
    ),
)
