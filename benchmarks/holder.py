"""Somebody with a key of their own: signs assertions, proofs and request objects before the clock runs."""

import base64
import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

ALGORITHM = "ES256"
LIFE = 60


class Holder:
    """One EC key, its certificate, and what can be signed with it."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": secrets.token_urlsafe(8), "use": "sig"}, auto_kid=False)
        self.jwks = {"keys": [self._key.as_dict(private=False)]}
        self._bare = {name: self._key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}

    @staticmethod
    def encryption_key() -> dict[str, Any]:
        """Return a new public key that only encrypts."""
        members = {"kid": secrets.token_urlsafe(8), "use": "enc"}
        return dict(ECKey.generate_key("P-256", members, auto_kid=False).as_dict(private=False))

    def assertion(self, client_id: str, audience: str, subject: str | None = None) -> str:
        """Return a JWT about the client itself, or about a subject (RFC 7523 section 3)."""
        claims = _claims(iss=client_id, sub=subject or client_id, aud=audience)
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, claims, self._key)

    def request_object(self, client_id: str, audience: str, parameters: dict[str, str]) -> str:
        """Return a signed authorization request (RFC 9101)."""
        claims = _claims(iss=client_id, aud=audience, nbf=int(time.time()), **parameters)
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid, "typ": "oauth-authz-req+jwt"}, claims, self._key)

    def proof(self, url: str) -> str:
        """Return a DPoP proof for a POST (RFC 9449 section 4.2)."""
        header = {"alg": ALGORITHM, "typ": "dpop+jwt", "jwk": self._bare}
        claims = {"jti": secrets.token_urlsafe(12), "htm": "POST", "htu": url, "iat": int(time.time())}
        return jwt.encode(header, claims, self._key)

    def certificate(self) -> tuple[str, dict[str, Any]]:
        """Return a self-signed certificate as nginx hands it over, and the key set that registers it (RFC 8705)."""
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name.from_rfc4514_string("CN=benchmark")
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        made = builder.not_valid_after(now + timedelta(days=1)).sign(private, hashes.SHA256())
        public = ECKey.import_key(private.public_key()).as_dict(private=False)
        shown = {name: str(public[name]) for name in ("kty", "crv", "x", "y")}
        der = base64.b64encode(made.public_bytes(Encoding.DER)).decode()
        return quote(made.public_bytes(Encoding.PEM).decode(), safe=""), {"keys": [{**shown, "x5c": [der]}]}


def secret_assertion(client_id: str, secret: str, audience: str) -> str:
    """Return a JWT under a shared secret (`client_secret_jwt`, OpenID Connect Core section 9)."""
    return jwt.encode({"alg": "HS256"}, _claims(iss=client_id, sub=client_id, aud=audience), OctKey.import_key(secret))


def _claims(**claims: Any) -> dict[str, Any]:
    now = int(time.time())
    return {**claims, "iat": now, "exp": now + LIFE, "jti": secrets.token_urlsafe(12)}


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
