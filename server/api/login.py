"""Signing in with a password; who has a second factor gets an `mfa_token` first."""

from sqlalchemy import Connection

from server.accounts import sign_in, throttling, verification
from server.accounts.passwords import PasswordHasherBusyError
from server.accounts.sign_in import Prepared
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.api import errors, mfa_token, tokens
from server.api.call import Call, Reply
from server.api.errors import ApiError
from server.api.operation import Answer, Body, Member, Operation, Schema
from server.protocol.request import FORM_TYPE

INVALID_CREDENTIALS = "Invalid credentials"
NOT_VERIFIED = "Email not verified"
IDENTIFIER: Schema = {"type": "string", "maxLength": 1024}
PASSWORD: Schema = {"type": "string", "maxLength": 4096, "format": "password"}
IDENTIFIERS = ("email", "username", "username_or_email")


async def login(call: Call) -> Reply:
    """Sign in with e-mail address or username."""
    identifier = next((call.text(name) for name in IDENTIFIERS if call.values.get(name) is not None), "")
    return await _sign_in(call, identifier)


async def token(call: Call) -> Reply:
    """Sign in with the form of OAuth's password grant, which API explorers know."""
    return await _sign_in(call, call.text("username"))


async def _sign_in(call: Call, identifier: str) -> Reply:
    await tokens.ensure_client(call.services)
    services = call.services
    prepared = await services.database.run(
        lambda db: sign_in.prepare(
            db,
            identifier,
            device_cookie=None,
            sealer=services.sealer,
            rate_limits=services.settings.rate_limits,
            context=call.context,
            now=call.now,
        )
    )
    if isinstance(prepared, Throttled):
        raise errors.throttled(prepared.retry_after)
    is_valid, new_hash = await check_password(call, prepared, call.text("password"))

    def work(db: Connection) -> Reply | ApiError:
        done = sign_in.complete(db, prepared, is_valid=is_valid, context=call.context, now=call.now)
        if done is None:
            return errors.unauthorized(INVALID_CREDENTIALS)
        if new_hash is not None:
            sign_in.store_rehash(db, prepared, new_hash)
        return _proceed(db, call, done.user)

    return accepted(await services.database.run(work))


def accepted(outcome: Reply | ApiError) -> Reply:
    """Raise the refusal that a transaction returned so that its traces last."""
    if isinstance(outcome, ApiError):
        raise outcome
    return outcome


async def check_password(call: Call, prepared: Prepared, password: str) -> tuple[bool, str | None]:
    """Check a counted guess outside any transaction; return whether it is right, and a new hash where one is due."""
    hasher = call.services.hasher
    try:
        verification_ = await hasher.verify(prepared.password_hash, password)
        needs_new_hash = verification_.is_valid and verification_.needs_rehash
        return verification_.is_valid, await hasher.hash(password) if needs_new_hash else None
    except PasswordHasherBusyError:
        await call.services.database.run(lambda db: throttling.withdraw(db, prepared.keys))
        raise


def _proceed(db: Connection, call: Call, user: User) -> Reply | ApiError:
    if verification.must_verify_first(call.services.settings, user):
        send_link(db, call, user)
        return ApiError(403, NOT_VERIFIED)
    return proceed(db, call, user)


def send_link(db: Connection, call: Call, user: User) -> None:
    """Mail the link that the person is waiting for, as far as their mailbox's limit allows."""
    verification.send(
        db, user, sealer=call.services.sealer, settings=call.services.settings, context=call.context, now=call.now
    )


def proceed(db: Connection, call: Call, user: User, *, status: int = 200) -> Reply | ApiError:
    """Return the tokens of a person whose password was right, or what asks for the second factor, or a refusal."""
    owed = mfa_token.demand(db, call, user)
    if isinstance(owed, ApiError):
        return owed
    return Reply(status, tokens.issue(db, call, user, sign_in.PASSWORD_AMR) if owed is None else owed)


SIGNED_IN = Answer(
    "Tokens, or with `mfa_required` what is needed for `/api/auth/mfa/challenge`.",
    {"oneOf": [{"$ref": "#/components/schemas/Tokens"}, {"$ref": "#/components/schemas/MfaRequired"}]},
    tokens.TOKENS_EXAMPLE,
)
_REFUSALS = {
    401: f"`{INVALID_CREDENTIALS}`: the same for an unknown account, a wrong password and a disabled account.",
    403: (
        f"`{NOT_VERIFIED}`: the address must be verified first, and a mail with the link is on its way. "
        f"`{tokens.TURNED_OFF}`."
    ),
}
OPERATIONS = (
    Operation(
        method="POST",
        path="/api/auth/login",
        id="login",
        tag="Sign-in",
        summary="Sign in",
        description=(
            "Signs in with a password. `email`, `username` and `username_or_email` mean the same; the first that is "
            "given counts. Where the person has a second factor the answer has `mfa_required` and no tokens. Where "
            "they must set one up first, it also has `mfa_setup_required`, and the `mfa_token` is good as bearer "
            "token at `/api/auth/mfa/setup` and `/api/auth/mfa/verify`."
        ),
        handler=login,
        body=Body(
            (
                *(Member(name, IDENTIFIER, is_required=False) for name in IDENTIFIERS),
                Member("password", PASSWORD),
            ),
            {"email": "ada@example.com", "password": "correct horse battery staple"},
            one_of=IDENTIFIERS,
        ),
        answers={200: SIGNED_IN},
        refusals=_REFUSALS,
        is_throttled=True,
    ),
    Operation(
        method="POST",
        path="/api/auth/token",
        id="token",
        tag="Sign-in",
        summary="Sign in with a form",
        description=(
            "The same as `/api/auth/login` with the form of the OAuth 2 password grant, for API explorers. Other "
            "members of that form (`grant_type`, `scope`, `client_id`) are ignored."
        ),
        handler=token,
        body=Body(
            (Member("username", IDENTIFIER), Member("password", PASSWORD)),
            {"username": "ada@example.com", "password": "correct horse battery staple"},
            media_type=FORM_TYPE,
        ),
        answers={200: SIGNED_IN},
        refusals=_REFUSALS,
        is_throttled=True,
    ),
)
