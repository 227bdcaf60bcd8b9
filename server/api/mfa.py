"""The second factor: giving the code at sign-in, setting up an authenticator app, and taking it away."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from server.accounts import recovery_codes, second_factor, sessions, sign_in, totp
from server.accounts.throttling import Throttled
from server.accounts.user import User
from server.api import errors, login, mfa_removal, mfa_token, tokens
from server.api.call import Call, Reply, check_fresh, check_proven
from server.api.errors import ApiError
from server.api.login import accepted
from server.api.operation import Answer, Body, Member, Operation, Schema
from server.settings import Mfa
from server.storage import one_time, users
from server.tokens import opaque

T = TypeVar("T")
SETUP_KIND = "api_totp_setup"
SETUP_SECONDS = 600
DEVICE_NAME = "Authenticator app"
INVALID_CODE = "Invalid code"
NOT_SET_UP = "Call /api/auth/mfa/setup first"
SWITCHED_OFF = "Second factors are turned off"
CODE: Schema = {"type": "string", "maxLength": 128}


async def challenge(call: Call) -> Reply:
    """Check the code and give the tokens."""
    await tokens.ensure_client(call.services)
    return accepted(await call.services.database.run(lambda db: _challenge(db, call)))


def _challenge(db: Connection, call: Call) -> Reply | ApiError:
    """Return refusals rather than raise them: what was counted must last."""
    token, now, settings = call.text("mfa_token"), call.now, call.services.settings
    owing = mfa_token.hold(db, token, now)
    if owing is None or owing.is_enrolling:
        return errors.unauthorized(errors.INVALID_TOKEN)
    result = second_factor.verify(
        db,
        call.services.sealer,
        owing.user,
        call.text("code"),
        context=call.context,
        now=now,
        previous_steps=settings.totp_previous_steps,
        rate_limits=settings.rate_limits,
        email_binding=token,
    )
    if isinstance(result, Throttled):
        return errors.throttled(result.retry_after)
    if result is None:
        mfa_token.count_try(db, token, owing, now)
        return errors.unauthorized(INVALID_CODE)
    if not mfa_token.consume(db, token, now):
        return errors.unauthorized(errors.INVALID_TOKEN)
    return Reply(200, tokens.issue(db, call, owing.user, sessions.combined_amr(sign_in.PASSWORD_AMR, result)))


@dataclass(frozen=True, slots=True)
class _Enrolling:
    """Who sets up an app, and what the pending secret belongs to."""

    user: User
    key: str
    is_before_tokens: bool = False


async def _enrolling(call: Call, work: Callable[[Connection, _Enrolling], T]) -> T:
    await tokens.ensure_client(call.services)
    return await call.services.database.run(lambda db: work(db, _who(db, call)))


def _who(db: Connection, call: Call) -> _Enrolling:
    if call.token is not None and call.token.startswith(mfa_token.PREFIX):
        return _Enrolling(_owing(db, call, call.token), mfa_token.digest(call.token), is_before_tokens=True)
    token = call.authenticated(db)
    if second_factor.policy_of(call.services.settings, token.user, None) is Mfa.OFF:
        raise ApiError(403, SWITCHED_OFF)
    users.lock(db, token.user.id)  # a factor that is set up at this moment counts
    # Whoever stole a token of a weaker sign-in must not add a factor of their own.
    check_proven(db, call, token)
    check_fresh(call, token)
    return _Enrolling(token.user, str(token.authorization["session_id"]))


def _owing(db: Connection, call: Call, token: str) -> User:
    """Return who must set up their first factor. Once they have one, wherever they did it, the token opens nothing."""
    owing, settings = mfa_token.hold(db, token, call.now), call.services.settings
    if owing is None or not owing.is_enrolling or second_factor.factors_of(db, settings, owing.user).has_any:
        raise errors.unauthorized(errors.INVALID_TOKEN, error="invalid_token")
    return owing.user


async def setup(call: Call) -> Reply:
    """Make a secret that waits for its first code."""
    secret = totp.new_secret()

    def work(db: Connection, who: _Enrolling) -> str:
        digest = opaque.digest(SETUP_KIND, who.key)
        payload = {"sealed": call.services.sealer.seal(secret.encode("ascii"), context=_context(who.user))}
        one_time.remove(db, SETUP_KIND, digest)
        one_time.add(
            db, SETUP_KIND, digest, payload, now=call.now, expires_at=call.now + SETUP_SECONDS, user_id=who.user.id
        )
        return totp.provisioning_uri(secret, who.user.email, call.services.settings.brand_name)

    uri = await _enrolling(call, work)
    return Reply(200, {"secret": secret, "otpauth_uri": uri, "qr_svg": totp.qr_svg(uri)})


def _context(user: User) -> str:
    return f"api_enrolment:{user.id}"


async def verify(call: Call) -> Reply:
    """Confirm the app with a code, and show the recovery codes once."""

    def work(db: Connection, who: _Enrolling) -> dict[str, Any]:
        services, digest = call.services, opaque.digest(SETUP_KIND, who.key)
        row = one_time.find_live(db, SETUP_KIND, digest, call.now)
        if row is None:
            raise ApiError(400, NOT_SET_UP)
        secret = services.sealer.unseal(row["payload"]["sealed"], context=_context(who.user)).decode("ascii")
        device_id = totp.enrol(
            db,
            services.sealer,
            who.user.id,
            secret,
            call.text("code"),
            name=DEVICE_NAME,
            context=call.by(who.user),
            now=call.now,
            previous_steps=services.settings.totp_previous_steps,
            except_session_id=None if who.is_before_tokens else who.key,
        )
        if device_id is None or one_time.consume(db, SETUP_KIND, digest, call.now) is None:
            raise ApiError(400, INVALID_CODE)
        codes = recovery_codes.regenerate(db, who.user.id, context=call.by(who.user), now=call.now)
        return {"recovery_codes": codes, **(_sign_in(db, call, who) if who.is_before_tokens else {})}

    return Reply(200, await _enrolling(call, work))


def _sign_in(db: Connection, call: Call, who: _Enrolling) -> dict[str, Any]:
    if not mfa_token.consume(db, call.token or "", call.now):
        raise errors.unauthorized(errors.INVALID_TOKEN, error="invalid_token")
    amr = sessions.combined_amr(sign_in.PASSWORD_AMR, second_factor.SECOND_FACTOR_AMR)
    return tokens.issue(db, call, who.user, amr)


_SECRET_EXAMPLE = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_CODES_SCHEMA: Schema = {
    "type": "object",
    "required": ["recovery_codes"],
    "properties": {
        "recovery_codes": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": recovery_codes.COUNT,
            "maxItems": recovery_codes.COUNT,
        },
        **{name: {**schema} for name, schema in tokens.TOKENS_SCHEMA["properties"].items()},
    },
}
_CODES_EXAMPLE = {"recovery_codes": ["k3jx-7qpa-2mwt-c5he-4rzn-vy6b-fd"] * recovery_codes.COUNT}
CHALLENGE = (
    Operation(
        method="POST",
        path="/api/auth/mfa/challenge",
        id="mfa_challenge",
        tag="Sign-in",
        summary="Give the second factor",
        description=(
            "Takes the `mfa_token` of the login and a code: six digits of the authenticator app, or a recovery code. "
            f"After {mfa_token.MAX_TRIES} wrong codes the login starts over."
        ),
        handler=challenge,
        body=Body(
            (Member("mfa_token", {"type": "string", "maxLength": 1024}), Member("code", CODE)),
            {"mfa_token": mfa_token.EXAMPLE["mfa_token"], "code": "492039"},
        ),
        answers={
            200: Answer(
                "Tokens whose `amr` has `otp` and `mfa`.",
                {"$ref": "#/components/schemas/Tokens"},
                tokens.TOKENS_EXAMPLE,
            )
        },
        refusals={
            401: f"`{INVALID_CODE}`: wrong or used. `{errors.INVALID_TOKEN}`: the login must start over.",
            403: f"`{tokens.TURNED_OFF}`.",
        },
        is_throttled=True,
    ),
)
OPERATIONS = (
    Operation(
        method="POST",
        path="/api/auth/mfa/setup",
        id="mfa_setup",
        tag="Second factor",
        summary="Begin setting up an authenticator app",
        description=(
            "Returns a new secret as text, as `otpauth:` URI and as QR code. It counts once a code has confirmed it at "
            "`/api/auth/mfa/verify`, within ten minutes. Needs a sign-in of the last five minutes; where the person "
            "has a second factor already, one with that factor. Also takes the `mfa_token` of a login that demands it."
        ),
        handler=setup,
        is_bearer=True,
        answers={
            200: Answer(
                "The secret.",
                {
                    "type": "object",
                    "required": ["secret", "otpauth_uri", "qr_svg"],
                    "properties": {
                        "secret": {"type": "string", "description": "Base32."},
                        "otpauth_uri": {"type": "string"},
                        "qr_svg": {"type": "string", "description": "An `svg` element."},
                    },
                },
                {
                    "secret": _SECRET_EXAMPLE,
                    "otpauth_uri": f"otpauth://totp/Ostiary:ada@example.com?secret={_SECRET_EXAMPLE}&issuer=Ostiary",
                    "qr_svg": '<svg role="img">…</svg>',
                },
            )
        },
    ),
    Operation(
        method="POST",
        path="/api/auth/mfa/verify",
        id="mfa_verify",
        tag="Second factor",
        summary="Confirm the authenticator app",
        description=(
            "Turns the factor on and returns ten recovery codes, which are shown this once and replace earlier ones. "
            "With an `mfa_token` as bearer token the answer has the tokens of the sign-in as well."
        ),
        handler=verify,
        is_bearer=True,
        body=Body((Member("code", CODE),), {"code": "492039"}),
        answers={200: Answer("The factor is on.", _CODES_SCHEMA, _CODES_EXAMPLE)},
        refusals={400: f"`{INVALID_CODE}`, or `{NOT_SET_UP}`."},
    ),
    Operation(
        method="POST",
        path="/api/auth/mfa/disable",
        id="mfa_disable",
        tag="Second factor",
        summary="Take the authenticator app away",
        description="Removes the person's authenticator apps. Needs the password and a code of the second factor.",
        handler=mfa_removal.disable,
        is_bearer=True,
        body=Body(
            (Member("password", login.PASSWORD), Member("code", CODE)),
            {"password": "correct horse battery staple", "code": "492039"},
        ),
        answers={204: Answer("The factor is off.")},
        refusals={
            400: f"`{mfa_removal.WRONG}`, or `{mfa_removal.NOT_ENABLED}`.",
            403: f"`{mfa_removal.REQUIRED}` where the server demands a second factor.",
        },
        is_throttled=True,
    ),
)
