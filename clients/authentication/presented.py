"""What a request shows of its client, before anything is proven."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from clients.certificate import ClientCertificate
from clients.client import Client
from keys.jose import JoseError, VerificationKey, unverified_claims

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_CHARACTERS = 4096
BASIC = "client_secret_basic"
NO_CERTIFICATE = "no certificate: the connection has none, or no trusted proxy tells of it"
NOT_IN_TIME = "the certificate has expired, or is not valid yet"


class NotProvenError(Exception):
    """A method's proof is not acceptable. `cause` is for the operator's log; it holds no secret."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class AuthenticationProblem(Exception):  # noqa: N818  it is an answer, not a failure
    """Client authentication did not succeed: code, text and status of RFC 6749 section 5.2.

    `cause` is for the operator alone: whoever guesses learns nothing from the answer.
    """

    def __init__(
        self,
        error: str,
        description: str,
        status: int,
        used_basic: bool,  # noqa: FBT001
        *,
        cause: str = "",
        method: str = "",
    ) -> None:
        super().__init__(description)
        self.cause = cause or description
        self.method = method
        self.error = error
        self.description = description
        self.status = status
        self.used_basic = used_basic


@dataclass(frozen=True, slots=True)
class Presented:
    """The one method that a request uses, whom it names, and the credential."""

    method: str
    unverified_client_id: str | None
    credential: str = field(default="", repr=False)
    certificate: ClientCertificate | None = None
    """What the client has shown in TLS, where a trusted proxy tells (RFC 8705)."""
    keys: tuple[VerificationKey, ...] | None = None
    """The client's keys where its `jwks_uri` leads; None for those in its metadata."""
    certificates: tuple[str, ...] | None = None
    """Thumbprints of the certificates where its `jwks_uri` leads; None for those in its metadata."""
    shared_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    """The client's secrets that are still valid, unsealed: for `client_secret_jwt` alone."""


@dataclass(frozen=True, slots=True)
class AssertionUse:
    """The `jti` of a proven assertion, which the caller must use up until `expires_at`."""

    jti: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """A client that has proven who it is, or a public one that has named itself."""

    client: Client
    method: str
    assertion: AssertionUse | None = None


def present(authorization: str | None, form: Mapping[str, str]) -> Presented:
    """Find the one method that a request uses. Raises AuthenticationProblem where it uses several (RFC 6749 2.3)."""
    found = []
    if authorization is not None:
        found.append(_basic(authorization, form))
    if "client_secret" in form:
        found.append(Presented("client_secret_post", form.get("client_id"), form["client_secret"]))
    if "client_assertion" in form or "client_assertion_type" in form:
        found.append(_assertion(form))
    if len(found) > 1:
        raise AuthenticationProblem("invalid_request", "More than one client authentication method is used", 400, False)
    if found:
        return found[0]
    if form.get("client_id") is None:
        raise AuthenticationProblem("invalid_client", "Client authentication is missing: send client_id", 401, True)
    return Presented("none", form["client_id"])


def _basic(authorization: str, form: Mapping[str, str]) -> Presented:
    """RFC 7617, with the form encoding of both parts that RFC 6749 section 2.3.1 asks for."""
    malformed = AuthenticationProblem(
        "invalid_client", "The Authorization header is malformed", 401, True, method=BASIC
    )
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_CHARACTERS:
        raise malformed
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        name, colon, secret = decoded.partition(":")
        client_id = unquote_plus(name, errors="strict")
        credential = unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise malformed from None
    if not colon or not client_id:
        raise malformed
    if form.get("client_id") not in (None, client_id):
        problem = "The client_id contradicts the Authorization header"
        raise AuthenticationProblem("invalid_request", problem, 400, True, method=BASIC)
    return Presented(BASIC, client_id, credential)


def _assertion(form: Mapping[str, str]) -> Presented:
    method = "private_key_jwt"
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        problem = "The client_assertion or its client_assertion_type is missing or unknown"
        raise AuthenticationProblem("invalid_client", problem, 401, False, method=method)
    malformed = "The client assertion is malformed"
    try:
        subject = unverified_claims(form["client_assertion"]).get("sub")
    except JoseError as error:
        cause = f"the assertion: {error.reason}"
        raise AuthenticationProblem("invalid_client", malformed, 401, False, cause=cause, method=method) from None
    if not isinstance(subject, str):
        cause = "the assertion: sub is missing"
        raise AuthenticationProblem("invalid_client", malformed, 401, False, cause=cause, method=method)
    if form.get("client_id") not in (None, subject):
        problem = "The client_id contradicts the client assertion"  # RFC 7521 section 4.2
        raise AuthenticationProblem("invalid_client", problem, 401, False, method=method)
    return Presented(method, subject, form["client_assertion"])
