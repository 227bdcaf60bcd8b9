"""A confidential client as FAPI 2.0 wants it: signs its assertions, pushes its requests, proves its key."""

import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from clients.authentication.presented import ASSERTION_TYPE
from clients.profiles import apply
from tests.keys.material import key_pair, signer
from tests.support.person import Person
from tests.support.prover import Prover
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

CLIENT_ID = "bank"
JWKS = {"keys": [key_pair(algorithm).public_jwk for algorithm in ("ES256", "PS256", "RS256", "EdDSA")]}


async def register(server: RunningServer, client_id: str = CLIENT_ID, **metadata: Any) -> "HighSecurityClient":
    """Register a client by the profile and return it."""
    await server.add_client(client_id, **_applied(metadata))
    return HighSecurityClient(server, client_id)


def refused(response: httpx.Response, error: str, status: int = 400) -> bool:
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    return True


def _applied(metadata: dict[str, Any]) -> dict[str, Any]:
    return apply("fapi2", {"jwks": JWKS, "redirect_uris": ["https://client.example/cb"], **metadata})


@dataclass
class HighSecurityClient(RelyingParty):
    """One client with the keys of `tests.keys.material`, and one for proofs."""

    algorithm: str = "ES256"
    prover: Prover = field(init=False)

    def __post_init__(self) -> None:
        self.prover = Prover(self.server)

    def assertion(self, algorithm: str | None = None, **changes: Any) -> str:
        """Return a client assertion (RFC 7523 section 3); claims given replace its own, None leaves one out."""
        now = self.server.clock.now()
        own = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.server.issuer,
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + 60,
        }
        claims = {name: value for name, value in {**own, **changes}.items() if value is not None}
        return signer(algorithm or self.algorithm).sign(claims, typ="JWT")

    def request_object(self, algorithm: str | None = None, **changes: Any) -> str:
        """Return the authorization request as the client signs it (RFC 9101 section 4)."""
        now = self.server.clock.now()
        token = {"iss": self.client_id, "aud": self.server.issuer, "iat": now, "nbf": now, "exp": now + 300}
        claims = {name: value for name, value in {**self.parameters(), **token, **changes}.items() if value is not None}
        return signer(algorithm or self.algorithm).sign(claims, typ="oauth-authz-req+jwt")

    async def send(
        self, path: str, *, assertion: str | None = None, proof: str | None = None, **form: str | None
    ) -> httpx.Response:
        """Send a form with an assertion and a proof: right ones where none is given, no proof where it is empty."""
        values = {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
            **{name: value for name, value in form.items() if value is not None},
        }
        shown = self.prover.proof(path) if proof is None else proof
        async with self.server.http(headers={"dpop": shown} if shown else {}) as http:
            return await http.post(path, data=values)

    async def push(self, **changes: str | None) -> httpx.Response:
        """Push the authorization request."""
        return await self.send("/par", proof="", **self.parameters(**changes))

    async def push_signed(self, token: str | None = None, **beside: str) -> httpx.Response:
        """Push a request object."""
        return await self.send("/par", proof="", request=token or self.request_object(), **beside)

    def reference(self, pushed: httpx.Response) -> str:
        """Return the authorization URL that names what was pushed."""
        assert pushed.status_code == 201, pushed.text
        query = urlencode({"client_id": self.client_id, "request_uri": pushed.json()["request_uri"]})
        return f"{self.server.issuer}/authorize?{query}"

    async def answer(self, person: Person, pushed: httpx.Response) -> dict[str, str]:
        """Lead a person to the answer of a pushed request and return it."""
        await person.visit(self.reference(pushed))
        for _ in range(4):
            if person.left_for is not None:
                break
            if person.title == "Sign in":
                await person.sign_in()
            elif person.title == "Protect your account":
                await person.postpone()
            else:
                await person.consent()
        return person.answer()

    async def pushed_code(self, person: Person, **changes: str | None) -> str:
        """Return the code of a whole sign-in."""
        return (await self.answer(person, await self.push(**changes)))["code"]

    async def exchange(self, code: str, **changes: str | None) -> httpx.Response:
        """Exchange a code, with assertion and proof."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return await self.send("/token", **{**form, **changes})

    async def tokens(self, person: Person, **changes: str | None) -> dict[str, Any]:
        """Return the tokens of a whole sign-in."""
        response = await self.exchange(await self.pushed_code(person, **changes))
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def renew(self, token: str, **changes: str | None) -> httpx.Response:
        """Use a refresh token, with assertion and proof."""
        return await self.send("/token", grant_type="refresh_token", refresh_token=token, **changes)
