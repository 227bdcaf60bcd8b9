"""The forgotten password, and a new one for somebody who is signed in."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection

from server.accounts import credentials, password_policy, recovery
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.user import User
from server.api import confirmation, login, tokens
from server.api.call import Call, Reply
from server.api.email import INVALID_LINK, TOKEN, message
from server.api.errors import ApiError
from server.api.operation import Answer, Body, Member, Operation
from server.protocol.bearer import BearerToken

SENT = {"message": "If the account exists, a mail with a link is on its way"}
RESET = {"message": "Password changed"}
WRONG = "Current password is incorrect"


async def forgot(call: Call) -> Reply:
    """Mail a link for a new password. One answer, whoever has the account and however many asked before."""

    def work(db: Connection) -> None:
        services = call.services
        with suppress(InvalidIdentifierError):
            recovery.request(
                db,
                call.text("email"),
                sealer=services.sealer,
                settings=services.settings,
                context=call.context,
                now=call.now,
            )

    await call.services.database.run(work)
    return Reply(202, SENT)


async def reset(call: Call) -> Reply:
    """Set a new password with the mailed link."""
    services, token, password = call.services, call.text("token"), call.text("password")
    user, former = await services.database.read(lambda db: _person(db, call, token))
    await _check_new(call, user, password, "password", former)
    password_hash = await services.hasher.hash(password)

    def work(db: Connection) -> User | None:
        return recovery.consume(
            db,
            token,
            password_hash,
            sealer=services.sealer,
            settings=services.settings,
            context=call.context,
            now=call.now,
        )

    if await services.database.run(work) is None:
        raise ApiError(400, INVALID_LINK)
    return Reply(200, RESET)


def _person(db: Connection, call: Call, token: str) -> tuple[User, list[str]]:
    user = recovery.find(db, token, call.now)
    if user is None:
        raise ApiError(400, INVALID_LINK)
    return user, credentials.former_hashes(db, user, call.services.settings.password_history)


async def _check_new(call: Call, user: User, password: str, member: str, former: Iterable[str]) -> None:
    """Hold a new password against the policy. Raises ApiError, which names each rule that is broken."""
    settings = call.services.settings
    words = password_policy.words_of(settings.brand_name, user.email, user.username, user.name)
    found = await password_policy.check_all(call.services.hasher, settings, password, words, former_hashes=former)
    if found:
        problems = [call.problem(member, text) for text in found]
        raise ApiError(400, " ".join(problem.message for problem in problems), problems)


async def change(call: Call) -> Reply:
    """Replace the password. Other sign-ins end, and this one gets new tokens, because all old ones are revoked."""
    services, password = call.services, call.text("new_password")
    await tokens.ensure_client(services)

    def remember(db: Connection, token: BearerToken) -> tuple[User, list[str]]:
        return token.user, credentials.former_hashes(db, token.user, services.settings.password_history)

    user, former = await confirmation.with_password(call, call.text("current_password"), WRONG, remember)
    await _check_new(call, user, password, "new_password", former)
    new_hash = await services.hasher.hash(password)
    changed = await call.run(lambda db, token: _change(db, call, token, user, new_hash))
    if changed is None:
        raise ApiError(400, WRONG)
    return Reply(200, {**RESET, **changed})


def _change(db: Connection, call: Call, token: BearerToken, user: User, new_hash: str) -> dict[str, Any] | None:
    """Return new tokens; None where the password was changed by somebody else meanwhile."""
    is_changed = credentials.change_password(
        db,
        user,
        new_hash,
        session_id=token.authorization["session_id"],
        verified_hash=user.password_hash or "",
        notify=call.services.sealer,
        context=call.by(user),
        now=call.now,
        history=call.services.settings.password_history,
    )
    return tokens.reissue(db, call, user, token.authorization) if is_changed else None


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/auth/password/forgot",
        id="password_forgot",
        tag="Password",
        summary="Ask for a link to set a new password",
        description="Mails a link to the person who has the address. The answer is the same where nobody has it.",
        handler=forgot,
        body=Body((Member("email", login.IDENTIFIER),), {"email": "ada@example.com"}),
        answers={202: Answer("Taken down.", message(SENT), SENT)},
    ),
    Operation(
        method="POST",
        path="/api/auth/password/reset",
        id="password_reset",
        tag="Password",
        summary="Set a new password with the mailed link",
        description="Takes the `token` of the mailed link, once. All sign-ins and tokens of the person end.",
        handler=reset,
        body=Body(
            (Member("token", TOKEN), Member("password", login.PASSWORD)),
            {"token": "opw_Qm9vbGVhbiBhbGdlYnJhIGFuZCBlbmdpbmVz", "password": "battery horse staple correct"},
        ),
        answers={200: Answer("The password is set.", message(RESET), RESET)},
        refusals={400: f"`{INVALID_LINK}`, or each rule that the new password breaks, which `errors` lists."},
    ),
    Operation(
        method="POST",
        path="/api/auth/password/change",
        id="password_change",
        tag="Password",
        summary="Change the password",
        description=(
            "Needs the present password. Other sign-ins end and every token of the person is revoked; the answer has "
            "new tokens for this sign-in. A mail tells the person."
        ),
        handler=change,
        is_bearer=True,
        body=Body(
            (Member("current_password", login.PASSWORD), Member("new_password", login.PASSWORD)),
            {
                "current_password": "correct horse battery staple",
                "new_password": "battery horse staple correct",
            },
        ),
        answers={
            200: Answer(
                "The password is changed.",
                {"allOf": [message(RESET), {"$ref": "#/components/schemas/Tokens"}]},
                {**RESET, **tokens.TOKENS_EXAMPLE},
            )
        },
        refusals={400: f"`{WRONG}`, or each rule that the new password breaks, which `errors` lists."},
        is_throttled=True,
    ),
)
