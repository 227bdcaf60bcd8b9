"""Reading opaque tokens for `ostiary token inspect`: by prefix and digest, without using anything up."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from clients import secrets
from server.accounts import credentials, email_change, invitations, sessions, verification
from server.api import mfa_token
from server.cli.token_report import Report, UnknownTokenError, ago
from server.endpoints.registration import INITIAL_KIND, INITIAL_PREFIX, MANAGEMENT_KIND, MANAGEMENT_PREFIX
from server.grants import authorization_code, ciba, device_code
from server.pages import sign_out
from server.protocol import interaction, pushed_request
from server.storage import access_tokens, backchannel_requests, client_registrations, clients, one_time, revoked_tokens
from server.storage import invitations as invitation_rows
from server.storage import sessions as session_rows
from server.tokens import access_token, opaque, refresh_token

Read = Callable[[Connection, str, int], Report | None]


def read(db: Connection, token: str, now: int) -> Report:
    """Say what an opaque token is. Raises UnknownTokenError."""
    reader = next((found for prefix, found in READERS.items() if token.startswith(prefix)), None)
    if reader is None:
        raise UnknownTokenError("it is neither a JWT nor does it begin as the tokens of this server do")
    report = reader(db, token, now)
    if report is None:
        raise UnknownTokenError(
            "it begins as a token of this server does, but nothing is known of it: it expired and was cleared away, "
            "it is not complete, or it belongs to another server"
        )
    return report


def _once(kind: str, words: str) -> Read:
    """Return a reader of things that are used once."""

    def find(db: Connection, token: str, now: int) -> Report | None:
        row = one_time.find(db, kind, opaque.digest(kind, token))
        return None if row is None else _used_once(row, words, now)

    return find


def _used_once(row: Mapping[str, Any], words: str, now: int) -> Report:
    report = Report(words, client_id=row["client_id"], user_id=row["user_id"])
    report.times = {"issued": row["created_at"], "expires": row["expires_at"]}
    # What a code stands for; the other payloads are nobody's business.
    report.authorization_id = row["payload"].get("authorization_id")
    _note_use(report, row["consumed_at"], now)
    return report


def _note_use(report: Report, used_at: int | None, now: int) -> None:
    if used_at is not None:
        report.times["used"] = used_at
        report.problems.append(f"it was used {ago(used_at, now)}")


def _pushed_request(db: Connection, token: str, now: int) -> Report | None:
    row = one_time.find(db, pushed_request.KIND, opaque.digest(pushed_request.KIND, token))
    if row is None:
        return None
    report = _used_once(row, "request_uri of a pushed authorization request", now)
    # RFC 9126 section 2.2. The row outlives that: a sign-in that has begun may take its time.
    report.times["expires"] = row["payload"]["begin_before"]
    report.details = {"scope": row["payload"]["values"].get("scope", "")}
    return report


def _device_code(db: Connection, token: str, now: int) -> Report | None:
    row = one_time.find(db, device_code.KIND, opaque.digest(device_code.KIND, token))
    if row is None:
        return None
    report = _used_once(row, "device code", now)
    asked = one_time.list_of_client(db, device_code.USER_CODE_KIND, row["client_id"], created_at=row["created_at"])
    request: Mapping[str, Any] = next(
        (one["payload"]["request"] for one in asked if one["payload"]["device"] == row["digest"]), {}
    )
    _note_answer(report, row["payload"]["status"], request)
    return report


def _note_answer(report: Report, answer: str, request: Mapping[str, Any]) -> None:
    """Note what the person said to the scope that was asked for; what they granted stands with the family."""
    report.details = {"answer": answer, "scope": " ".join(request.get("scopes", ()))}
    if answer == backchannel_requests.DENIED:
        report.problems.append("the person denied it")


def _refresh_token(db: Connection, token: str, now: int) -> Report | None:
    row = refresh_token.find(db, token)
    if row is None:
        return None
    report = Report("refresh token", client_id=row["client_id"], authorization_id=row["authorization_id"])
    report.times = {"issued": row["issued_at"], "expires": row["expires_at"]}
    report.details = {"scope": row["scope"]}
    _note_use(report, row["consumed_at"], now)
    return report


def _access_token(db: Connection, token: str, _now: int) -> Report | None:
    claims = access_tokens.find(db, opaque.digest(access_token.KIND, token))
    if claims is None:
        return None
    report = Report("access token (opaque)", claims=claims, client_id=claims["client_id"])
    report.times = {"issued": claims["iat"], "expires": claims["exp"]}
    report.authorization_id = claims.get("gid")
    if revoked_tokens.is_revoked(db, claims["jti"]):
        report.problems.append("it was revoked")
    return report


def _auth_req_id(db: Connection, token: str, _now: int) -> Report | None:
    row = backchannel_requests.find(db, opaque.digest(ciba.KIND, token))
    if row is None:
        return None
    report = Report("auth_req_id (CIBA)", client_id=row["client_id"], user_id=row["user_id"])
    report.times = {"issued": row["created_at"], "expires": row["expires_at"]}
    answer = backchannel_requests.APPROVED if row["status"] == backchannel_requests.USED else row["status"]
    _note_answer(report, answer, row["request"])
    report.authorization_id = row["authorization_id"]
    if row["status"] == backchannel_requests.USED:
        report.problems.append("it was used")
    return report


def _initial_access_token(db: Connection, token: str, _now: int) -> Report | None:
    row = client_registrations.find_token(db, opaque.digest(INITIAL_KIND, token))
    if row is None:
        return None
    report = Report("initial access token (client registration)")
    report.times = {"issued": row["created_at"], "expires": row["expires_at"]}
    report.details = {"uses_left": row["uses_left"], "trusted": bool(row["is_trusted"])}
    if row["uses_left"] < 1:
        report.problems.append("it is used up")
    return report


def _registration_access_token(db: Connection, token: str, _now: int) -> Report | None:
    client_id = client_registrations.find_client_id(db, opaque.digest(MANAGEMENT_KIND, token))
    return None if client_id is None else Report("registration access token", client_id=client_id)


def _client_secret(db: Connection, token: str, _now: int) -> Report | None:
    row = clients.find_secret(db, secrets.digest(token))
    if row is None:
        return None
    report = Report("client secret", client_id=row["client_id"], times={"issued": row["created_at"]})
    if row["expires_at"] is not None:
        report.times["expires"] = row["expires_at"]
    return report


def _session_cookie(db: Connection, token: str, now: int) -> Report | None:
    row = session_rows.find_by_digest(db, opaque.digest(sessions.KIND, token), now)
    if row is None:
        return None
    report = Report("session cookie", user_id=row["user_id"], session_id=row["id"])
    report.times = {"issued": row["created_at"], "expires": row["expires_at"]}
    return report


READERS: Mapping[str, Read] = {
    access_token.PREFIX: _access_token,
    refresh_token.PREFIX: _refresh_token,
    authorization_code.PREFIX: _once(authorization_code.KIND, "authorization code"),
    device_code.PREFIX: _device_code,
    ciba.PREFIX: _auth_req_id,
    pushed_request.PREFIX: _pushed_request,
    INITIAL_PREFIX: _initial_access_token,
    MANAGEMENT_PREFIX: _registration_access_token,
    secrets.PREFIX: _client_secret,
    sessions.COOKIE_PREFIX: _session_cookie,
    interaction.PREFIX: _once(interaction.KIND, "sign-in in progress (part of its pages' addresses)"),
    sign_out.PREFIX: _once(sign_out.KIND, "sign-out in progress (part of its pages' addresses)"),
    verification.PREFIX: _once(verification.KIND, "link that confirms an e-mail address"),
    email_change.PREFIX: _once(email_change.KIND, "link that confirms a new e-mail address"),
    credentials.LINK_PREFIX: _once(credentials.LINK_KIND, "link that sets a password"),
    invitations.PREFIX: _once(invitation_rows.KIND, "invitation"),
    mfa_token.PREFIX: _once(mfa_token.KIND, "mfa_token of the account API"),
}
"""By prefix. A trusted browser's cookie is known only together with its person."""
