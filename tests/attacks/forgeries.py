"""Tokens that only look like ours: every trick of RFC 8725, by its name."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey

from keys.decoding import decode_base64url
from keys.jose import Signer, unverified_claims
from tests.keys.material import key_pair, segment, signer
from tests.support.server import RunningServer

Tokens = dict[str, str]


def signed(key: Signer, header: Mapping[str, Any] | str, claims: Mapping[str, Any], algorithm: str = "") -> str:
    """A token with any header, truly signed; `algorithm` signs with another one than the key's own."""
    model = Signer(key.kid, algorithm, key._key)._model if algorithm else key._model
    signing_input = f"{segment(header if isinstance(header, str) else dict(header))}.{segment(dict(claims))}"
    return f"{signing_input}.{segment(model.sign(signing_input.encode(), key._key))}"


def ours(server: RunningServer) -> Signer:
    return server.services.keys.signer()


def _unsigned(header: Mapping[str, Any], genuine: str) -> Tokens:
    """RFC 8725 section 2.1: `none`, in any spelling, with no signature and with one."""
    payload, signature = genuine.split(".")[1:]
    return {
        f"alg {name}, {'a' if end else 'no'} signature": f"{segment({**header, 'alg': name})}.{payload}.{end}"
        for name in ("none", "None", "NONE", "nOnE", "")
        for end in ("", signature)
    }


async def _symmetric(server: RunningServer, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Tokens:
    """RFC 8725 section 2.1: HS256 with the public key, in every form it is known in, as the secret."""
    async with server.http() as http:
        document = (await http.get("/jwks")).content
    jwk = next(key for key in json.loads(document)["keys"] if key["kid"] == header["kid"])
    public = RSAKey.import_key(jwk).public_key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "PEM": pem,
        "PEM without the last newline": pem.rstrip(b"\n"),
        "PKCS#1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "JWK Set": document,
        "modulus": decode_base64url(jwk["n"]),
        "kid": jwk["kid"].encode(),
        "nothing": b"",
    }
    signing_input = f"{segment({**header, 'alg': 'HS256'})}.{segment(dict(claims))}"
    return {
        f"HS256 with the {name}": f"{signing_input}.{segment(hmac.digest(key, signing_input.encode(), hashlib.sha256))}"
        for name, key in secrets.items()
    }


def _brought_keys(header: Mapping[str, Any], claims: Mapping[str, Any], url: str) -> Tokens:
    """RFC 8725 section 3.10: the token says itself which key proves it."""
    forged: Tokens = {}
    for algorithm in ("RS256", "ES256"):
        own, jwk = signer(algorithm), key_pair(algorithm).public_jwk
        for kid in (header["kid"], jwk["kid"], None):
            named = {"alg": algorithm, "typ": header["typ"], **({} if kid is None else {"kid": kid})}
            for name, member in (
                ("nothing", {}),
                ("jwk", {"jwk": jwk}),
                ("jku", {"jku": url}),
                ("x5u", {"x5u": url}),
                ("x5c", {"x5c": [segment(b"no certificate")]}),
            ):
                forged[f"{algorithm} by a stranger with {name}, kid {kid}"] = signed(own, {**named, **member}, claims)
    return forged


def _odd_headers(key: Signer, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Tokens:
    """Our own key has signed these, so that it is the header alone that is refused."""
    texts = ("", "unknown", "../../dev/null", "' OR 1=1 --", "\0", key.kid.upper() + "x", "k" * 5000)
    kids: tuple[Any, ...] = (*texts, 0, None, True, [key.kid], {"kid": key.kid})
    forged = {f"kid {kid!r:.30}": signed(key, {**header, "kid": kid}, claims) for kid in kids}
    forged["no kid"] = signed(key, {name: header[name] for name in ("alg", "typ")}, claims)
    forged["crit"] = signed(key, {**header, "crit": ["exp"], "exp": 1}, claims)
    forged["b64"] = signed(key, {**header, "b64": True}, claims)
    forged["PS256 by an RS256 key"] = signed(key, {**header, "alg": "PS256"}, claims, "PS256")
    forged["alg EdDSA"] = signed(key, {**header, "alg": "EdDSA"}, claims)
    forged["alg as a list"] = signed(key, {**header, "alg": ["RS256"]}, claims)
    twice = json.dumps(dict(header))[:-1] + ', "alg": "RS256"}'
    forged["alg twice"] = signed(key, twice, claims)
    return forged


def _odd_types(key: Signer, header: Mapping[str, Any], claims: Mapping[str, Any], *types: Any) -> Tokens:
    """RFC 8725 section 3.11."""
    forged = {f"typ {typ!r}": signed(key, {**header, "typ": typ}, claims) for typ in types}
    forged["no typ"] = signed(key, {name: header[name] for name in ("alg", "kid")}, claims)
    return forged


def odd_claims(key: Signer, header: Mapping[str, Any], claims: Mapping[str, Any], now: int) -> Tokens:
    changes: dict[str, dict[str, Any]] = {
        "another issuer": {"iss": "https://other.example.com"},
        "an issuer with a slash": {"iss": claims["iss"] + "/"},
        "issuers": {"iss": [claims["iss"]]},
        "over now": {"exp": now},
        "over for long": {"exp": now - 86_400},
        "exp as text": {"exp": str(now + 600)},
        "exp as a fraction that is over": {"exp": now - 600.5},
        "exp true": {"exp": True},
        "exp beyond all bounds": {"exp": 10**400},
        "not yet": {"nbf": now + 60},
        "made in the future": {"iat": now + 3600},
        "sub as a list": {"sub": [claims["sub"]]},
        "jti as a number": {"jti": 5},
        "another authorization": {"gid": "aut_unknown"},
    }
    forged = {name: signed(key, header, {**claims, **change}) for name, change in changes.items()}
    for name in ("iss", "exp", "sub", "jti"):
        forged[f"no {name}"] = signed(key, header, {n: v for n, v in claims.items() if n != name})
    return forged


def _damaged(genuine: str) -> Tokens:
    header, payload, signature = genuine.split(".")
    claims = {**unverified_claims(genuine), "scope": "openid profile email address phone"}
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    neighbour = alphabet[alphabet.index(signature[-1]) ^ 1]  # the same bytes, written in another way
    return {
        "another payload": f"{header}.{segment(claims)}.{signature}",
        "no signature": f"{header}.{payload}.",
        "two segments": f"{header}.{payload}",
        "four segments": f"{genuine}.{signature}",
        "padding": f"{genuine}==",
        "another spelling of the signature": f"{header}.{payload}.{signature[:-1]}{neighbour}",
        "a shorter signature": genuine[:-4],
        "a signature of zeros": f"{header}.{payload}.{segment(bytes(256))}",
        "a signature of nothing but itself": f"..{signature}",
        "flattened JSON": json.dumps({"protected": header, "payload": payload, "signature": signature}),
    }


async def forgeries(server: RunningServer, genuine: str, url: str, *types: Any) -> Tokens:
    """Every forgery of a genuine token of ours, by the name of the trick."""
    key, claims = ours(server), dict(unverified_claims(genuine))
    header = json.loads(decode_base64url(genuine.partition(".")[0]))
    assert signed(key, header, claims).count(".") == 2
    return {
        **_unsigned(header, genuine),
        **await _symmetric(server, header, claims),
        **_brought_keys(header, claims, url),
        **_odd_headers(key, header, claims),
        **_odd_types(key, header, claims, *types),
        **_damaged(genuine),
    }
