"""Reading a JWT for `ostiary token inspect`: which kind it is, and whether one of our keys signed it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from keys.decoding import decode_base64url, decode_json_object
from keys.jose import SIGNING_ALGORITHMS, JoseError, VerificationKey, import_client_jwks, unverified_claims, verify
from keys.keyset import KeySet
from keys.sealing import Sealer
from keys.signing_key import KeyState, SigningKey
from server.cli.token_report import Report, UnknownTokenError
from server.storage import clients, revoked_tokens, sessions, signing_keys
from server.tokens import access_token, logout_token
from server.tokens.subjects import Subjects, find_secret

ACCESS_TOKEN, ID_TOKEN, LOGOUT_TOKEN = "access token (JWT)", "ID token", "logout token"
KINDS = {
    access_token.TYPE: ACCESS_TOKEN,
    logout_token.TYPE: LOGOUT_TOKEN,
    "token-introspection+jwt": "introspection answer",
}
KIND_OF_NOTHING = "JWT of this server"


def read(db: Connection, sealer: Sealer, issuer: str, token: str) -> Report:
    """Verify a JWT and say what it is. Raises UnknownTokenError."""
    header, claims = _unverified(token)
    if claims.get("iss") != issuer:
        raise UnknownTokenError("it is a JWT of another issuer: its iss is not this server's OSTIARY_ISSUER")
    row = next((key for key in signing_keys.list_keys(db) if key.kid == header.get("kid")), None)
    if row is None:
        raise UnknownTokenError(
            "it names this server, but its kid is no key of it: the key was removed long ago, or the token is forged"
        )
    _verify(token, header, _public_key(row, sealer))
    report = Report(_kind(header, claims), header=header, claims=claims)
    report.signature = {"valid": True, "kid": row.kid, "algorithm": row.algorithm, "key_state": row.state.value}
    if row.state is KeyState.REVOKED:
        report.problems.append("the key that signed it was revoked")
    _fill(db, sealer, report, claims)
    return report


def _unverified(token: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    try:
        header = decode_json_object(decode_base64url(token.partition(".")[0]))
        return header, unverified_claims(token)
    except (JoseError, ValueError):
        raise UnknownTokenError("it has the form of a JWT, but cannot be read: is it complete?") from None


def _public_key(row: SigningKey, sealer: Sealer) -> VerificationKey | None:
    """Return a key as the server trusts it; a revoked one, which it does not trust, as its row has it."""
    if row.state is not KeyState.REVOKED:
        return KeySet.load([row], sealer).verification_key(row.kid)
    return next(iter(import_client_jwks({"keys": [row.public_jwk]})), None)


def _verify(token: str, header: Mapping[str, Any], key: VerificationKey | None) -> None:
    try:
        verify(token, find_key=lambda _: key, algorithms=SIGNING_ALGORITHMS, types=(str(header.get("typ", "")),))
    except JoseError:
        raise UnknownTokenError(
            "its signature does not fit the key it names: it was altered or forged, or is not complete"
        ) from None


def _kind(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    if typ in KINDS:
        return KINDS[typ]
    if "auth_time" in claims and "sub" in claims:
        return ID_TOKEN
    if "sub" in claims:
        return "UserInfo answer"
    return "authorization response (JARM)" if {"code", "error", "state"} & claims.keys() else KIND_OF_NOTHING


def _fill(db: Connection, sealer: Sealer, report: Report, claims: Mapping[str, Any]) -> None:
    names = (("issued", "iat"), ("expires", "exp"))
    report.times = {name: claims[claim] for name, claim in names if isinstance(claims.get(claim), int)}
    audience = claims.get("aud")
    report.client_id = claims.get("client_id") or (audience if isinstance(audience, str) else None)
    report.authorization_id = claims.get("gid")
    report.session_id = _session_of(db, sealer, report.client_id, claims.get("sid"))
    if report.session_id is not None:
        # Not by `sub`, which may be pairwise.
        report.user_id = sessions.find_owner(db, report.session_id)
    if report.kind == ACCESS_TOKEN and revoked_tokens.is_revoked(db, str(claims.get("jti"))):
        report.problems.append("it was revoked")


def _session_of(db: Connection, sealer: Sealer, client_id: str | None, sid: object) -> str | None:
    """Return the sign-in that a client knows by a `sid`, which may be one of its sector alone."""
    client = None if client_id is None else clients.find_client(db, client_id)
    sector = None if client is None else client.sector
    known = Subjects()
    secret = None if sector is None else find_secret(db, sealer)
    if secret is not None:
        known.use(secret)
    return known.session_of(sector if secret is not None else None, sid)
