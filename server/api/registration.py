"""Making an account."""

from dataclasses import replace

from sqlalchemy import Connection

from server.accounts import invitations, sign_up
from server.accounts.registration import EmailTakenError, UsernameTakenError
from server.accounts.sign_up import NewAccount, RegistrationClosedError
from server.accounts.throttling import Throttled
from server.api import errors, login, tokens
from server.api.call import Call, Reply
from server.api.errors import ApiError
from server.api.operation import Answer, Body, Member, Operation, Schema

EMAIL_TAKEN = "Email already registered"
USERNAME_TAKEN = "Username already taken"
CLOSED = "Registration is closed"
INVITATION_OVER = "The invitation is not valid"
SENT = {"status": "verification_sent"}
TEXT: Schema = {"type": "string", "maxLength": 1024}
TEXT_OR_NULL: Schema = {"type": ["string", "null"], "maxLength": 1024}


async def register(call: Call) -> Reply:
    """Make the account and sign the person in, or say that a mail is on its way."""
    services, settings = call.services, call.services.settings
    await tokens.ensure_client(services)
    account = _account(call)
    if not await services.database.read(lambda db: sign_up.is_allowed(db, settings, account.invitation, call.now)):
        raise ApiError(403, CLOSED if account.invitation is None else INVITATION_OVER)
    found = await sign_up.problems(account, services.hasher, settings)
    if found:
        raise errors.invalid(*(call.problem(name, text) for name, texts in found.items() for text in texts))
    throttled = await services.database.run(
        lambda db: sign_up.reserve(db, settings, context=call.context, now=call.now)
    )
    if isinstance(throttled, Throttled):
        raise errors.throttled(throttled.retry_after)
    password_hash = await services.hasher.hash(account.password)
    try:
        return login.accepted(await services.database.run(lambda db: _register(db, call, account, password_hash)))
    except EmailTakenError:
        raise ApiError(400, EMAIL_TAKEN) from None
    except UsernameTakenError:
        raise ApiError(400, USERNAME_TAKEN) from None
    except RegistrationClosedError:
        raise ApiError(403, CLOSED) from None
    except invitations.InvitationOverError:
        raise ApiError(403, INVITATION_OVER) from None


def _account(call: Call) -> NewAccount:
    invitation = call.text("invitation")
    account = NewAccount(
        email=call.text("email"),
        name=call.text("name"),
        password=call.text("password"),
        username=call.text("username") or None,
        organization=call.text("organization") or None,
        language=call.language.tag,
    )
    return replace(account, invitation=invitations.digest_of(invitation)) if invitation else account


def _register(db: Connection, call: Call, account: NewAccount, password_hash: str) -> Reply | ApiError:
    services = call.services
    user = sign_up.register(
        db,
        account,
        password_hash,
        sealer=services.sealer,
        settings=services.settings,
        context=call.context,
        now=call.now,
    )
    return Reply(202, SENT) if user is None else login.proceed(db, call, user, status=201)


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/auth/register",
        id="register",
        tag="Sign-in",
        summary="Make an account",
        description=(
            "Makes an account and signs the person in. Where the server demands verified e-mail addresses, the answer "
            "is 202 whether or not somebody has the address: only the mail tells. Where accounts are made by "
            "invitation, `invitation` is the token of the mailed link."
        ),
        handler=register,
        body=Body(
            (
                Member("email", TEXT),
                Member("password", login.PASSWORD),
                Member("name", TEXT),
                Member("organization", TEXT_OR_NULL, is_required=False),
                Member("username", TEXT_OR_NULL, is_required=False),
                Member("invitation", TEXT_OR_NULL, is_required=False),
            ),
            {
                "email": "ada@example.com",
                "password": "correct horse battery staple",
                "name": "Ada Lovelace",
                "organization": "Analytical Engines",
                "username": "ada",
            },
        ),
        answers={
            201: Answer("The account is made.", login.SIGNED_IN.schema, tokens.TOKENS_EXAMPLE),
            202: Answer(
                "A mail was sent.",
                {
                    "type": "object",
                    "required": ["status"],
                    "properties": {"status": {"type": "string", "const": "verification_sent"}},
                },
                SENT,
            ),
        },
        refusals={
            400: f"`{EMAIL_TAKEN}`, or `{USERNAME_TAKEN}`.",
            403: f"`{CLOSED}`, `{INVITATION_OVER}`, or `{tokens.TURNED_OFF}`.",
        },
        is_throttled=True,
    ),
)
