"""The npm libraries openid-client and oauth4webapi: scripts of the same names for both, with the same results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc.jwk import ECKey, OKPKey, RSAKey

from clients import profiles
from keys.generation import generate
from keys.jwe import KEY_MANAGEMENT
from tests.support.conversation import Answers, converse
from tests.support.listening import ListeningServer

if TYPE_CHECKING:
    from tests.interop.conftest import Visitor

CALLBACK = "http://localhost:9/callback"
SCOPE = "openid profile email offline_access"
MTLS = "https://mtls.login.example"
BEHIND_PROXY = {
    "trusted_proxies": ("127.0.0.1",),
    "client_certificate_header": "X-Client-Certificate",
    "client_certificate_verified_header": "X-Client-Verify",
    "mtls_url": MTLS,
}
"""Settings of a server whose proxy speaks TLS at another name: RFC 8705 section 5."""
KINDS: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


@dataclass(frozen=True)
class Key:
    """A client's key."""

    private: dict[str, Any]
    public: dict[str, Any]


def key_for(algorithm: str) -> Key:
    """Make a key that signs, or decrypts, with an algorithm."""
    made = generate(algorithm)
    pair = KINDS[made.public_jwk["kty"]].import_key(load_der_private_key(made.private_der, None))
    named = {"alg": algorithm, "use": "enc" if algorithm in KEY_MANAGEMENT else "sig", "kid": f"key-{algorithm}"}
    return Key({**pair.as_dict(private=True), **named}, {**pair.as_dict(private=False), **named})


@dataclass
class Library:
    """One of them, the server and the person who signs in."""

    name: str
    server: ListeningServer
    visitor: "Visitor"

    async def register(
        self,
        client_id: str = "web",
        *,
        profile: str | None = None,
        key: Key | None = None,
        decryption_key: Key | None = None,
        **metadata: Any,
    ) -> dict[str, Any]:
        """Register a client as an operator does, and return what the client knows of itself."""
        metadata = {"client_name": "Web Shop", "redirect_uris": [CALLBACK], **metadata}
        if profile is not None:
            metadata = profiles.apply(profile, metadata)
        metadata.setdefault("token_endpoint_auth_method", "client_secret_basic")
        pairs = {"private_key": key, "decryption_key": decryption_key}
        own = {name: pair for name, pair in pairs.items() if pair is not None}
        if own:
            metadata["jwks"] = {"keys": [pair.public for pair in own.values()]}
        secret = await self.server.add_client(client_id, **metadata)
        known = {name: value for name, value in metadata.items() if name != "jwks"}
        known |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        return known | {name: pair.private for name, pair in own.items()}

    async def run(self, script: str, client: Mapping[str, Any], *, answers: Answers | None = None, **more: Any) -> Any:
        """Run one of its scripts with a client."""
        callback = next(iter(client.get("redirect_uris", ())), CALLBACK)
        argument = {"issuer": self.server.issuer, "client": client, "callback": callback, "scope": SCOPE, **more}
        if "certificate" in more:
            argument |= {"mtls": MTLS, "client": {**client, "use_mtls_endpoint_aliases": True}}
        person = {"visit": self.visitor.finish, "enrol": self.visitor.set_up_second_factor}
        return await converse(f"{self.name}/{script}.mjs", argument, {**person, **(answers or {})})

    async def sign_in(
        self, client: Mapping[str, Any], *use: str, dpop: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Sign in, use UserInfo, refresh, use UserInfo again, introspect, revoke.

        `use` names what the sign-in does beyond the basics, `dpop` the algorithm of its key.
        """
        used: dict[str, bool | str | None] = {**dict.fromkeys(use, True), "dpop": dpop}
        result: dict[str, Any] = await self.run("sign_in", client, use=used, **more)
        assert result["claims"]["iss"] == self.server.issuer
        assert result["claims"]["aud"] == client["client_id"]
        assert result["userinfo"]["email"] == "alice@example.com"
        assert result["again"]["sub"] == result["claims"]["sub"]
        if client["token_endpoint_auth_method"] != "none":
            assert result["introspected"]["active"] is True
            assert result["introspected"]["sub"] == result["claims"]["sub"]
        assert result["after_revocation"] == "invalid_grant"
        return result
