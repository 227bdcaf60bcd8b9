"""DPoP proofs: what RFC 9449 section 4.3 demands of one, at the token endpoint and at our own resources alike.

The order: form, signature, claims, nonce, and the `jti` last of all, so that nothing is used up by a wrong proof.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import Connection

from keys.jose import SIGNING_ALGORITHMS, JoseError, VerifiedProof, verify_proof
from keys.sealing import Sealer
from server.protocol.request import HttpFacts
from server.protocol.services import Services
from server.storage import one_time
from server.tokens import opaque

HEADER = "dpop"
TYPE = "dpop+jwt"
KIND = "dpop_proof"
ALGORITHMS = SIGNING_ALGORITHMS
WINDOW_SECONDS = 60
MAX_JTI_CHARACTERS = 255
NONCE_WINDOW_SECONDS = 150
"""A nonce is good for one to two of these."""
CHALLENGE = f'algs="{" ".join(ALGORITHMS)}"'
"""What a challenge tells of proofs (section 7.1)."""
_NONCE_PURPOSE = "dpop nonce"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PERCENT = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class DpopProblem(Exception):  # noqa: N818  it is an answer, not a failure
    """A proof is not acceptable: error code and text of RFC 9449 sections 5 and 8."""

    def __init__(self, description: str, *, error: str = "invalid_dpop_proof") -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was right, and is used up."""

    jkt: str
    """The thumbprint of the key that its sender has."""


def check(
    db: Connection,
    services: Services,
    http: HttpFacts,
    *,
    now: int,
    access_token: str | None = None,
    algorithms: Collection[str] = ALGORITHMS,
) -> Proof:
    """Check the one proof of a request and use it up. Raises DpopProblem.

    `access_token` is the token that it comes with at a protected resource (section 7.1).
    """
    proof = _read(http, algorithms)
    claims = proof.claims
    jti, issued_at = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS:
        raise DpopProblem("The jti of the DPoP proof is missing or too long")
    if claims.get("htm") != http.method:
        raise DpopProblem("The htm of the DPoP proof is not the method of the request")
    if not _is_for(claims.get("htu"), http, services.settings.mtls_url):
        raise DpopProblem("The htu of the DPoP proof is not the URL of the request")
    if not isinstance(issued_at, int) or isinstance(issued_at, bool) or abs(now - issued_at) > WINDOW_SECONDS:
        raise DpopProblem("The iat of the DPoP proof is missing or not of now")
    if access_token is not None and not _is_hash_of(claims.get("ath"), access_token):
        raise DpopProblem("The ath of the DPoP proof is not the hash of the access token")
    if services.settings.dpop_nonce and not _is_nonce(services.sealer, claims.get("nonce"), now):
        raise DpopProblem("A nonce of this server is needed in the DPoP proof", error="use_dpop_nonce")
    # section 11.1: each proof once, for as long as it could be accepted, whichever node it comes to
    digest = opaque.digest(KIND, f"{proof.thumbprint}\0{jti}")
    expires_at = issued_at + WINDOW_SECONDS + 1
    if not one_time.consume_foreign(db, KIND, digest, now=now, expires_at=expires_at):
        raise DpopProblem("The DPoP proof was used before")
    return Proof(proof.thumbprint)


def _read(http: HttpFacts, algorithms: Collection[str]) -> VerifiedProof:
    values = http.values(HEADER)
    if len(values) != 1:
        raise DpopProblem("Exactly one DPoP header is needed")
    try:
        return verify_proof(values[0].strip(), algorithms=algorithms, types=(TYPE,))
    except JoseError:
        raise DpopProblem("The DPoP proof is malformed or its signature is wrong") from None


def _is_for(htu: object, http: HttpFacts, alias: str) -> bool:
    """Compare with the configured URL, never with a Host header; behind the name for mutual TLS, also with that."""
    if not isinstance(htu, str):
        return False
    urls = [http.url]
    if alias:
        own, other = urlsplit(http.url), urlsplit(alias)
        urls.append(f"{other.scheme}://{other.netloc}{own.path}")
    given = normalized(htu)
    return given is not None and given in [normalized(url) for url in urls]


def normalized(url: str) -> str | None:
    """Return a URL without query and fragment in its normal form (RFC 3986 section 6.2), None where it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.username is not None or not url.isascii():
        return None
    name = f"[{host}]" if ":" in host else host
    authority = name if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{name}:{port}"
    return f"{parts.scheme}://{authority}{_path(parts)}"


def _path(parts: SplitResult) -> str:
    path = _PERCENT.sub(_percent, parts.path) or "/"
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _percent(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _is_hash_of(ath: object, access_token: str) -> bool:
    digest = hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return isinstance(ath, str) and hmac.compare_digest(ath.encode("utf-8", "surrogatepass"), expected)


def nonce(sealer: Sealer, now: int) -> str:
    """Return the nonce of the present time (section 8). Every node makes the same, and none keeps any."""
    return _nonce_of(sealer.derive(_NONCE_PURPOSE), now // NONCE_WINDOW_SECONDS)


def _nonce_of(key: bytes, window: int) -> str:
    mac = hmac.digest(key, window.to_bytes(8), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:18]).decode("ascii")


def _is_nonce(sealer: Sealer, value: object, now: int) -> bool:
    if not isinstance(value, str):
        return False
    present = now // NONCE_WINDOW_SECONDS
    # The one to come as well: another node's clock may be ahead.
    return any(
        hmac.compare_digest(_nonce_of(key, window).encode(), value.encode("utf-8", "surrogatepass"))
        for key in sealer.derive_all(_NONCE_PURPOSE)
        for window in (present, present - 1, present + 1)
    )


def nonce_headers(services: Services, now: int) -> dict[str, str]:
    """Return the header that hands out a nonce, nothing where none is needed (section 8.2)."""
    return {"DPoP-Nonce": nonce(services.sealer, now)} if services.settings.dpop_nonce else {}
