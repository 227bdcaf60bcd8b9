"""An authenticator in software: makes passkeys and signs with them (WebAuthn section 6), and wrongly on demand."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "https://login.example.com"
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


def text_of(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class Credential:
    """One key pair."""

    id: bytes
    key: ec.EllipticCurvePrivateKey
    user_handle: bytes
    rp_id: str


@dataclass
class Authenticator:
    """A device, or a synced one. Options are what the server sends to the browser."""

    origin: str = ORIGIN
    is_verifying: bool = True
    is_synced: bool = False
    aaguid: bytes = bytes(16)
    sign_count: int = 0
    counts: bool = True
    transports: tuple[str, ...] = ("internal",)
    credentials: list[Credential] = field(default_factory=list)

    def _flags(self) -> int:
        return UP | (UV if self.is_verifying else 0) | (BE | BS if self.is_synced else 0)

    def _next_count(self) -> int:
        self.sign_count += 1 if self.counts else 0
        return self.sign_count

    def _client_data(self, kind: str, options: dict[str, Any], **more: Any) -> bytes:
        data = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False, **more}
        return json.dumps(data).encode()

    def create(self, options: dict[str, Any], **client_data: Any) -> str:
        """Make a passkey and return RegistrationResponseJSON."""
        rp_id = options["rp"]["id"]
        handle = base64.urlsafe_b64decode(options["user"]["id"] + "==")
        made = Credential(secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1()), handle, rp_id)
        self.credentials.append(made)
        numbers = made.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        attested = self.aaguid + len(made.id).to_bytes(2, "big") + made.id + cose
        auth_data = self._auth_data(rp_id, self._flags() | AT) + attested
        response = {
            "clientDataJSON": text_of(self._client_data("webauthn.create", options, **client_data)),
            "attestationObject": text_of(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": auth_data})),
            "transports": list(self.transports),
        }
        return self._answer(made, response)

    def get(self, options: dict[str, Any], *, credential: Credential | None = None, **client_data: Any) -> str:
        """Sign with the newest passkey, or the one given, and return AuthenticationResponseJSON."""
        used = credential or self.credentials[-1]
        auth_data = self._auth_data(options["rpId"], self._flags())
        data = self._client_data("webauthn.get", options, **client_data)
        signature = used.key.sign(auth_data + hashlib.sha256(data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": text_of(data),
            "authenticatorData": text_of(auth_data),
            "signature": text_of(signature),
            "userHandle": text_of(used.user_handle),
        }
        return self._answer(used, response)

    def _auth_data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self._next_count().to_bytes(4, "big")

    @staticmethod
    def _answer(credential: Credential, response: dict[str, Any]) -> str:
        return json.dumps(
            {
                "id": text_of(credential.id),
                "rawId": text_of(credential.id),
                "type": "public-key",
                "clientExtensionResults": {},
                "response": response,
            }
        )
