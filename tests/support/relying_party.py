"""A relying party that does what OpenID Connect asks of it, and no more."""

import base64
import hashlib
import secrets
import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet

from tests.support.person import Person
from tests.support.server import RunningServer


@dataclass
class RelyingParty:
    """One client and its present sign-in."""

    server: RunningServer
    client_id: str = "web"
    client_secret: str = ""
    redirect_uri: str = "https://client.example/cb"
    scope: str = "openid profile email"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def parameters(self, **changes: str | None) -> dict[str, str]:
        values: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**values, **changes}.items() if value is not None}

    def url(self, **changes: str | None) -> str:
        """Return an authorization URL."""
        return f"{self.server.issuer}/authorize?{urlencode(self.parameters(**changes))}"

    @property
    def auth(self) -> tuple[str, str] | None:
        return (self.client_id, self.client_secret) if self.client_secret else None

    async def post(self, path: str, **form: str | None) -> httpx.Response:
        """Send a form as this client."""
        values = {name: value for name, value in form.items() if value is not None}
        if not self.client_secret:
            values.setdefault("client_id", self.client_id)
        async with self.server.http() as http:
            if self.auth is None:
                return await http.post(path, data=values)
            return await http.post(path, data=values, auth=self.auth)

    async def redeem(self, code: str, **changes: str | None) -> httpx.Response:
        """Exchange a code."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return await self.post("/token", **{**form, **changes})

    async def refresh(self, token: str, **changes: str) -> httpx.Response:
        """Use a refresh token."""
        return await self.post("/token", grant_type="refresh_token", refresh_token=token, **changes)

    async def userinfo(self, access_token: str) -> httpx.Response:
        """Ask for the person's claims."""
        async with self.server.http() as http:
            return await http.get("/userinfo", headers={"authorization": f"Bearer {access_token}"})

    async def code_for(self, person: Person, **changes: str | None) -> str:
        """Lead a person through sign-in and consent, whatever is due, and return the code."""
        await person.visit(self.url(**changes))
        for _ in range(6):
            if person.left_for is not None:
                break
            if person.title == "Sign in":
                await person.sign_in()
            elif person.title == "Enter your code":
                await person.submit(code=person.code())
            elif person.title == "Protect your account":
                await person.postpone()
            elif person.title == "Allow access":
                await person.consent()
            else:
                raise AssertionError(person.text)
        answer = person.answer()
        assert answer.get("state") == changes.get("state", self.state)
        assert answer["iss"] == self.server.issuer
        return answer["code"]

    async def sign_in(self, person: Person, **changes: str | None) -> dict[str, Any]:
        """Return the tokens of a whole sign-in."""
        response = await self.redeem(await self.code_for(person, **changes))
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def verified(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and claims of a token that the published keys verify."""
        async with self.server.http() as http:
            keys = KeySet.import_key_set((await http.get("/jwks")).json())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # RFC 9864 renames EdDSA
            decoded = jwt.decode(token, keys, algorithms=["RS256", "PS256", "ES256", "EdDSA"])
        return dict(decoded.header), dict(decoded.claims)
