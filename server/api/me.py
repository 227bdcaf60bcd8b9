"""Who the token is about, changing that, and deleting the account."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from server.accounts import email_change, lifecycle, profile_changes
from server.accounts import identifiers as ids
from server.accounts.identifiers import InvalidIdentifierError
from server.accounts.profile_changes import ADDRESS_FIELDS, CLAIM_FIELDS
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.api import confirmation, errors, login, person
from server.api.call import ACCOUNT_SCOPE, Call, Reply, check_fresh, check_proven
from server.api.errors import ApiError
from server.api.operation import Answer, Body, Member, Operation, Schema
from server.protocol.bearer import BearerToken
from server.storage import users

WRONG_PASSWORD = "Password is incorrect"
READING_SCOPE = "profile"
_CLAIM: Schema = {"type": ["string", "null"], "maxLength": 2000}
_USER: Schema = {"$ref": "#/components/schemas/User"}


async def me(call: Call) -> Reply:
    """Return the person: whole to tokens for the account, as far as their scopes go to others."""

    def work(db: Connection, token: BearerToken) -> dict[str, Any]:
        settings = call.services.settings
        if ACCOUNT_SCOPE in token.scopes:
            described = person.describe(db, settings, token.user)
        else:
            described = person.describe_to(db, settings, token.user, token.scopes)
        # It may be pairwise (OpenID Connect Core section 8): the client must not learn the public one here.
        return described | {"id": token.claims["sub"]}

    return Reply(200, await call.read(work, scope=READING_SCOPE))


async def update(call: Call) -> Reply:
    """Change the profile: all that is given, or nothing where one of them cannot be."""

    def work(db: Connection, token: BearerToken) -> dict[str, Any]:
        user, context = token.user, call.by(token.user)
        found = profile_changes.apply(
            db, user, _values(call, user), language=user.language, context=context, now=call.now
        )
        if found:
            raise errors.invalid(*(call.problem(_member_of(name), text) for name, text in found.items()))
        pending = _request_email_change(db, call, token)
        changed = users.find_by_id(db, user.id) or user
        return {**person.describe(db, call.services.settings, changed), **pending}

    return Reply(200, await call.run(work))


def _values(call: Call, user: User) -> dict[str, str]:
    """Return the whole profile as it shall be: what was not given stays."""
    given = call.values
    address = given["address"] if "address" in given else user.claims.get("address")
    stored = {**user.claims, "username": user.username}
    values = {name: _text(given.get(name, stored.get(name))) for name in (*CLAIM_FIELDS, "username")}
    return values | {field: _text((address or {}).get(member)) for field, member in ADDRESS_FIELDS.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _member_of(field: str) -> str:
    return f"address.{ADDRESS_FIELDS[field]}" if field in ADDRESS_FIELDS else field


def _request_email_change(db: Connection, call: Call, token: BearerToken) -> dict[str, str]:
    """Mail a link to the new address, which counts once it is confirmed."""
    email, user = call.text("email").strip(), token.user
    if not email or email == user.email:
        return {}
    check_proven(db, call, token)
    check_fresh(call, token)
    try:
        throttled = email_change.request(
            db,
            user,
            email,
            sealer=call.services.sealer,
            settings=call.services.settings,
            context=call.by(user),
            now=call.now,
        )
    except InvalidIdentifierError as error:
        raise errors.invalid(call.problem("email", error.message)) from None
    if isinstance(throttled, Throttled):
        raise errors.throttled(throttled.retry_after)
    return {"pending_email": ids.clean_email(email)}


async def delete(call: Call) -> Reply:
    """Delete the account: out at once, erased after the time of grace."""
    await call.read(lambda db, token: check_proven(db, call, token))

    def work(db: Connection, token: BearerToken) -> bool | ApiError:
        services = call.services
        return lifecycle.delete(
            db,
            token.user,
            grace_seconds=services.settings.deletion_grace_seconds,
            sealer=services.sealer,
            context=call.by(token.user),
            now=call.now,
        )

    await confirmation.with_password(call, call.text("password"), WRONG_PASSWORD, work)
    return Reply(204)


_ADDRESS: Schema = {
    "type": ["object", "null"],
    "properties": {member: {"type": ["string", "null"], "maxLength": 255} for member in ADDRESS_FIELDS.values()},
}
_CHANGED: Mapping[str, Any] = {
    "allOf": [
        _USER,
        {
            "type": "object",
            "properties": {
                "pending_email": {"type": "string", "description": "The new address, which waits for confirmation."}
            },
        },
    ]
}
OPERATIONS = (
    Operation(
        method="GET",
        path="/api/auth/me",
        id="me",
        tag="Account",
        summary="Who is signed in",
        description=(
            "The person whom the token is about. Tokens of OAuth clients with the scope `profile` may ask this as "
            "well; they see roles only with the scope `roles`."
        ),
        handler=me,
        is_bearer=True,
        answers={200: Answer("The person.", _USER, person.USER_EXAMPLE)},
    ),
    Operation(
        method="PATCH",
        path="/api/auth/me",
        id="update_me",
        tag="Account",
        summary="Change the profile",
        description=(
            "Changes the members that are given; null removes one. The members are the standard claims of OpenID "
            "Connect and `username`. Another `email` needs a sign-in of the last five minutes (with the second factor, "
            "where the person has one) and counts once the link that is mailed to it is confirmed."
        ),
        handler=update,
        is_bearer=True,
        body=Body(
            (
                *(Member(name, _CLAIM, is_required=False) for name in (*CLAIM_FIELDS, "username", "email")),
                Member("address", _ADDRESS, is_required=False),
            ),
            {"name": "Ada King", "website": "https://ada.example.com", "address": {"locality": "London"}},
        ),
        answers={200: Answer("The person as they are now.", _CHANGED, {**person.USER_EXAMPLE, "name": "Ada King"})},
        is_throttled=True,
    ),
    Operation(
        method="DELETE",
        path="/api/auth/me",
        id="delete_me",
        tag="Account",
        summary="Delete the account",
        description=(
            "Shuts the person out at once and erases what is known about them after `OSTIARY_DELETION_GRACE_SECONDS`. "
            "Needs the password, and a sign-in with the second factor where the person has one. A mail tells them."
        ),
        handler=delete,
        is_bearer=True,
        body=Body((Member("password", login.PASSWORD),), {"password": "correct horse battery staple"}),
        answers={204: Answer("The account is deleted.")},
        refusals={400: f"`{WRONG_PASSWORD}`."},
        is_throttled=True,
    ),
)
