"""Somebody with a key of their own: makes DPoP proofs (RFC 9449 section 4.2), and wrong ones on demand."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.generation import GeneratedKey, generate
from keys.jose import Signer, signer_of
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer


def segment(raw: bytes | Mapping[str, Any]) -> str:
    data = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(made: Signer, signing_input: str) -> str:
    return segment(made._model.sign(signing_input.encode(), made._key))


@dataclass
class Prover:
    """One key pair and the server it talks to."""

    server: RunningServer
    algorithm: str = "ES256"
    pair: GeneratedKey = field(init=False)
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        self.pair = generate(self.algorithm)
        private: Any = load_der_private_key(self.pair.private_der, None)
        self.signer = signer_of(self.pair.kid, self.algorithm, private)

    @property
    def jwk(self) -> dict[str, str]:
        return {
            name: value for name, value in self.pair.public_jwk.items() if name in ("kty", "crv", "x", "y", "n", "e")
        }

    @property
    def jkt(self) -> str:
        """RFC 7638 section 3, by hand: members in order, without spaces."""
        canonical = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return segment(hashlib.sha256(canonical.encode()).digest())

    def proof(
        self,
        path: str = "/token",
        method: str = "POST",
        *,
        token: str | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a proof for a request; `header` and claims given replace its own, None leaves one out."""
        own_header = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk}
        own: dict[str, Any] = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": self.server.settings.url(path),
            "iat": self.server.clock.now(),
        }
        if token is not None:
            own["ath"] = segment(hashlib.sha256(token.encode()).digest())
        parts = [_merged(own_header, header or {}), _merged(own, claims)]
        signing_input = ".".join(segment(part) for part in parts)
        return f"{signing_input}.{signature(self.signer, signing_input)}"

    async def post(
        self, rp: RelyingParty, proof: str | None = None, *, path: str = "/token", **form: str | None
    ) -> httpx.Response:
        """Send a form as a client, with a proof: a right one where none is given."""
        values = {name: value for name, value in form.items() if value is not None}
        if rp.auth is None:
            values.setdefault("client_id", rp.client_id)
        headers = {"dpop": self.proof(path) if proof is None else proof}
        async with self.server.http(headers=headers) as http:
            return await http.post(path, data=values, auth=rp.auth or httpx.USE_CLIENT_DEFAULT)

    async def redeem(self, rp: RelyingParty, code: str, proof: str | None = None) -> httpx.Response:
        """Exchange a code, with a proof."""
        form = {"code": code, "redirect_uri": rp.redirect_uri, "code_verifier": rp.verifier}
        return await self.post(rp, proof, grant_type="authorization_code", **form)

    async def refresh(self, rp: RelyingParty, token: str, proof: str | None = None) -> httpx.Response:
        """Use a refresh token, with a proof."""
        return await self.post(rp, proof, grant_type="refresh_token", refresh_token=token)

    async def sign_in(self, rp: RelyingParty, person: Person, **parameters: str) -> dict[str, Any]:
        """Return the tokens of a whole sign-in, bound to the key."""
        response = await self.redeem(rp, await rp.code_for(person, **parameters))
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def userinfo(self, token: str, proof: str | None = None, *, scheme: str = "DPoP") -> httpx.Response:
        """Ask for the person's claims with a bound token."""
        shown = self.proof("/userinfo", "GET", token=token) if proof is None else proof
        async with self.server.http() as http:
            return await http.get("/userinfo", headers={"authorization": f"{scheme} {token}", "dpop": shown})


def _merged(own: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**own, **changes}.items() if value is not None}
