"""Everything secret that a whole run has sent or received is searched for: in logs, at rest, in answers to errors."""

import base64
import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.sealing import Sealer, parse_root_keys
from server.configured_database import database_of
from server.settings import Settings
from server.storage import signing_keys
from tests.attacks.conftest import reach
from tests.conftest import Serve, SettingsFor
from tests.keys.material import key_pair, signer
from tests.support.person import Person
from tests.support.postgresql import find_binary
from tests.support.process import ServerProcess
from tests.support.relying_party import RelyingParty
from tests.support.server import RunningServer

FIELDS = frozenset(
    {"password", "code", "client_secret", "client_assertion", "token", "refresh_token", "access_token", "id_token"}
    | {"id_token_hint", "code_verifier", "csrf_token"}
)
OPAQUE = re.compile(r"\bo[a-z]{2}_[A-Za-z0-9_-]{43}")
JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
CSRF = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
BACK = "https://client.example/bye"
CALLBACK = "https://client.example/cb"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PASSWORDS = ("ample Alpaca 4711-ab", "brazen Badger 0815-cd", "never Right 1234-ef", "wrong Wombat 9999-gh")


@dataclass
class Watched:
    """A server process, every answer of it, and every secret that went to it or came from it."""

    process: ServerProcess
    settings: Settings
    secrets: set[str] = field(default_factory=lambda: set(PASSWORDS))
    codes: set[str] = field(default_factory=set)
    """Six digits each: too short to be searched for without looking at what stands around them."""
    shown: set[str] = field(default_factory=set)
    """What a form shows to the person whom it is meant for, again when it was filled in wrongly."""
    refusals: list[httpx.Response] = field(default_factory=list)

    def reach(self) -> RunningServer:
        """Return the server as people and clients know it; whatever they send or get is noted."""
        server = reach(self.process)
        plain = server.http

        def http(**options: Any) -> httpx.AsyncClient:
            return plain(**options, event_hooks={"response": [self._keep]})

        server.http = http  # type: ignore[method-assign]
        return server

    async def _keep(self, response: httpx.Response) -> None:
        await response.aread()
        if response.status_code >= 400:
            self.refusals.append(response)
        request = response.request
        self._note_fields(request.content.decode(errors="replace"))
        self._note_fields(request.url.query.decode())
        self._note_fields(urlsplit(response.headers.get("location", "")).query)
        for line in response.headers.get_list("set-cookie"):
            self.note(line.partition("=")[2].partition(";")[0])
        self.note(request.headers.get("authorization", "").partition(" ")[2])
        text = "\n".join([str(request.url), str(response.headers), response.text])
        self.shown |= {*CSRF.findall(response.text), *OPAQUE.findall(text)}
        self.note(*OPAQUE.findall(text), *CSRF.findall(response.text), *JWT.findall(text))

    def _note_fields(self, encoded: str) -> None:
        self.note(*(value for name, value in parse_qsl(encoded) if name in FIELDS))

    def note(self, *values: str) -> None:
        for value in values:
            if re.fullmatch("[0-9]{6}", value):
                self.codes.add(value)
            elif len(value) > 8:
                self.secrets.add(value)


@pytest.fixture
def watched(backend: str, settings_for: SettingsFor, serve: Serve) -> Watched:
    settings = settings_for()
    process = serve(
        database_url=settings.database_url,
        secret_key=settings.secret_key,
        issuer="https://login.example.com",
        log_level="debug",
        log_format={"sqlite": "json", "postgresql": "console"}[backend],
        access_log=True,
    )
    made = Watched(process, settings)
    made.note(settings.secret_key)
    return made


def _client(watched: Watched, **metadata: Any) -> RelyingParty:
    metadata = {"post_logout_redirect_uris": [BACK], "redirect_uris": [CALLBACK], **metadata}
    metadata["grant_types"] = ["authorization_code", "refresh_token", "client_credentials"]
    metadata["scope"] = "openid profile email offline_access read:things"
    made = watched.process.cli("client", "create", "--metadata", "-", stdin=json.dumps(metadata))
    watched.note(made.get("client_secret", ""))
    rp = RelyingParty(watched.reach(), made["client_id"], made.get("client_secret", ""))
    watched.note(rp.verifier)
    return rp


async def _begin_as_administrator(watched: Watched) -> None:
    link = re.search(r"/account/set-password\?token=(opw_\S+)", watched.process.log)
    assert link is not None
    watched.note(link[1])
    async with Person(watched.reach(), email="admin", password=PASSWORDS[0]) as admin:
        await admin.visit(link[0])
        await admin.submit(password="4711-abc-short")
        assert admin.response.status_code == 400
        await admin.submit(password=PASSWORDS[0])
        await admin.sign_in(password=PASSWORDS[2])
        assert admin.response.status_code == 400
        await admin.sign_in()
        await admin.postpone()
        assert admin.title == "Your account"
        await admin.visit(link[0])
        assert admin.response.status_code == 400


async def _register_with_second_factor(watched: Watched, bob: Person, rp: RelyingParty) -> dict[str, Any]:
    await bob.visit(rp.url(prompt="create"))
    await bob.submit(None, None, name="Bob", email="admin@localhost", password=bob.password)
    assert bob.response.status_code == 400
    await bob.submit(None, None, name="Bob", email=bob.email, password=bob.password)
    assert bob.title == "Protect your account"
    bob.secret = bob.page.by_id["totp-secret"].replace(" ", "")
    watched.note(bob.secret)
    watched.shown |= {bob.secret, bob.page.by_id["totp-secret"]}
    page = bob.form
    await bob.submit(None, page, code="000000")
    # the code of the step before: the present one is still good for the next sign-in
    await bob.submit(None, page, code=pyotp.TOTP(bob.secret).at(int(time.time()) - 30))
    bob.recovery_codes = bob.page.by_class["recovery-code"]
    for code in bob.recovery_codes:
        watched.note(code, code.replace("-", ""))
    await bob.visit(rp.url(scope="openid email offline_access"))
    await bob.consent()
    return dict((await rp.redeem(bob.answer()["code"])).json())


async def _sign_in_again(watched: Watched, bob: Person, rp: RelyingParty) -> None:
    for right in (bob.code(), bob.recovery_codes[0]):
        async with Person(watched.reach(), email=bob.email, password=bob.password) as elsewhere:
            await elsewhere.visit(rp.url())
            await elsewhere.sign_in(password=PASSWORDS[3])
            await elsewhere.sign_in()
            await elsewhere.submit(code="tsrq-ponm-lkji-hgfe-dcba-2222-33")
            assert elsewhere.response.status_code == 400
            await elsewhere.submit(code=right)
            assert elsewhere.title == "Allow access"
            await elsewhere.consent("deny")


async def _use_tokens(rp: RelyingParty, tokens: dict[str, Any]) -> None:
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    assert (await rp.userinfo(access)).status_code == 200
    rotated = (await rp.refresh(refresh)).json()
    for token in (access, rotated["refresh_token"], access[:-9] + "broken-99", "ort_" + "broken" * 7 + "A"):
        assert (await rp.post("/introspect", token=token)).status_code == 200
        await rp.userinfo(token)
    for value in (access, "oac_" + "broken" * 7 + "A", rotated["id_token"]):
        assert (await rp.redeem(value)).status_code == 400
        assert (await rp.refresh(value)).status_code == 400
    assert (await rp.post("/revoke", token=rotated["access_token"])).status_code == 200
    assert (await rp.post("/revoke", token=rotated["refresh_token"])).status_code == 200
    assert (await rp.refresh(rotated["refresh_token"])).status_code == 400


async def _authenticate_in_other_ways(watched: Watched, poster: RelyingParty, signing: RelyingParty) -> None:
    now = int(time.time())
    claims = {"iss": signing.client_id, "sub": signing.client_id, "iat": now, "exp": now + 60, "jti": f"jti-{now}"}
    claims["aud"] = watched.process.issuer
    good, bad = signer("ES256").sign(claims, typ="JWT"), signer("ES256", 2).sign(claims, typ="JWT")
    statuses = []
    async with watched.reach().http() as http:
        for secret in (poster.client_secret, "ocs_" + "wrong7" * 7 + "A"):
            form = {"grant_type": "client_credentials", "client_id": poster.client_id, "client_secret": secret}
            statuses.append((await http.post("/token", data=form)).status_code)
            basic = httpx.BasicAuth(poster.client_id, secret)
            statuses.append(
                (await http.post("/token", data={"grant_type": "client_credentials"}, auth=basic)).status_code
            )
        for assertion in (bad, good, good):
            form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
            response = await http.post("/token", data={**form, "client_assertion": assertion})
            statuses.append(response.status_code)
    assert statuses == [200, 401, 401, 401, 401, 200, 401]


async def _make_mistakes(watched: Watched, bob: Person, rp: RelyingParty, tokens: dict[str, Any]) -> None:
    """Secrets in the wrong place: in addresses, in bodies of the wrong kind, twice, too long, beside nonsense."""
    secret, token = rp.client_secret, tokens["access_token"]
    form = {"client_id": rp.client_id, "client_secret": secret, "code": "oac_" + "x" * 43, "password": bob.password}
    headers = {"accept": "text/html"}
    async with watched.reach().http() as http:
        for path in (
            "/token",
            "/introspect",
            "/revoke",
            "/userinfo",
            "/nonsense",
            "/account/set-password",
            "/authorize",
        ):
            query = urlencode({**form, "access_token": token, "token": tokens["id_token"]})
            for body in (
                urlencode(form).encode(),
                urlencode(form).encode() * 2 + b"%zz\xff",
                json.dumps(form).encode(),
            ):
                for kind in ("application/x-www-form-urlencoded", "application/json"):
                    sent = {**headers, "content-type": kind, "authorization": f"Bearer {token}"}
                    await http.post(f"{path}?{query}", content=body, headers=sent)
            await http.get(f"{path}?{query}", headers={**headers, "authorization": f"Basic {secret}"})
        await http.post("/token", data={**form, "padding": "x" * 70_000})
        await http.get(f"/{quote(token)}/{secret}", headers=headers)
        await http.get(f"/interaction/{token}", headers={**headers, "user-agent": f"Bearer {token}"})
        cookies = {"cookie": f"__Host-ostiary_session={secret}; __Host-ostiary_browser={token}"}
        await http.get("/account", headers=cookies)
    await bob.visit(rp.url(id_token_hint=token, prompt="none"))
    await bob.visit(rp.url(redirect_uri=f"https://evil.example/{token}"))


async def _sign_out(bob: Person, rp: RelyingParty, tokens: dict[str, Any]) -> None:
    await bob.visit("/end-session?" + urlencode({"id_token_hint": tokens["access_token"]}))
    await bob.submit(("decision", "stay"))
    await bob.visit(rp.url(scope="openid email offline_access", response_mode="form_post"))
    token = (await rp.redeem(bob.form.fields["code"])).json()["id_token"]
    await bob.visit("/end-session?" + urlencode({"id_token_hint": token, "post_logout_redirect_uri": BACK}))
    assert bob.left_for == BACK


def _secret_numbers(key: RSAPrivateKey | EllipticCurvePrivateKey) -> tuple[int, ...]:
    if isinstance(key, RSAPrivateKey):
        numbers = key.private_numbers()
        return numbers.d, numbers.p, numbers.q
    return (key.private_numbers().private_value,)


async def _private_keys(settings: Settings) -> set[bytes]:
    """The secret halves of the signing keys, in every form in which somebody may have written them down."""
    database, sealer = database_of(settings, is_server=False), Sealer(parse_root_keys(settings.secret_key))
    rows = await database.read(signing_keys.list_keys)
    await database.close()
    found = {b"PRIVATE KEY"}
    for row in rows:
        der = sealer.unseal(row.sealed_private, context=f"signing_key:{row.kid}")
        key = load_der_private_key(der, None)
        assert isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey)
        for number in _secret_numbers(key):
            raw = number.to_bytes((number.bit_length() + 7) // 8)
            found |= {raw, raw.hex().encode(), str(number).encode(), base64.urlsafe_b64encode(raw).rstrip(b"=")}
        found |= {der, der.hex().encode()}
        if isinstance(key, RSAPrivateKey):  # the middle of it, where the private numbers stand
            found |= {base64.b64encode(der)[900:964], base64.urlsafe_b64encode(der)[900:964]}
    assert len(found) > 10
    return found


def _at_rest(settings: Settings, directory: Path) -> dict[str, bytes]:
    """The database, as bytes and as text, and every other file of the server but the one that holds the root key."""
    places = {str(path.name): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    places = {name: content for name, content in places.items() if not name.endswith((".log", "secret-key"))}
    if settings.is_sqlite:
        with closing(sqlite3.connect(f"file:{settings.sqlite_path}?mode=ro", uri=True)) as database:
            places["dump"] = "\n".join(database.iterdump()).encode()
    else:
        command = [find_binary("pg_dump"), "--inserts", settings.database_url]
        places["dump"] = subprocess.run(command, check=True, capture_output=True).stdout
    return places


def _forms(secret: str) -> set[bytes]:
    """A secret as it is, in an address, in JSON, in base64, and without what makes it readable."""
    raw = secret.encode()
    forms = {raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), raw.hex().encode()}
    return forms | {base64.b64encode(raw).rstrip(b"="), secret.rpartition(".")[2].encode()}


def _found(secrets: Iterable[str], codes: Iterable[str], keys: Iterable[bytes], places: dict[str, bytes]) -> list[str]:
    found = []
    for name, content in places.items():
        found += [f"{secret[:12]}... in {name}" for secret in secrets if any(f in content for f in _forms(secret))]
        found += [f"a private key in {name}" for key in keys if key in content]
        found += [
            f"{code} in {name}" for code in codes if re.search(rb"(?<![\w.-])%b(?![\w-])" % code.encode(), content)
        ]
    return found


@pytest.mark.slow
async def test_nothing_secret_of_a_whole_run_is_logged_stored_or_told_to_others(watched: Watched) -> None:
    """OWASP ASVS 5.0 sections 13.3.1, 14.2.1 and 16.2.5; RFC 6819 section 5.1.4.1."""
    rp = _client(watched)
    poster = _client(watched, token_endpoint_auth_method="client_secret_post")
    jwks = {"keys": [key_pair("ES256").public_jwk]}
    signing = _client(watched, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    await _begin_as_administrator(watched)
    async with Person(watched.reach(), email="bob@example.com", password=PASSWORDS[1]) as bob:
        tokens = await _register_with_second_factor(watched, bob, rp)
        await _sign_in_again(watched, bob, rp)
        await _use_tokens(rp, tokens)
        await _authenticate_in_other_ways(watched, poster, signing)
        await _make_mistakes(watched, bob, rp, tokens)
        await _sign_out(bob, rp, tokens)
    keys = await _private_keys(watched.settings)
    _check_what_was_collected(watched)
    running = _at_rest(watched.settings, watched.process.directory)
    assert _found(watched.secrets, watched.codes, keys, running) == []
    watched.process.stop()
    stopped = _at_rest(watched.settings, watched.process.directory)
    assert _found(watched.secrets, watched.codes, keys, stopped) == []
    assert all(b"bob@example.com" in places["dump"] for places in (running, stopped))
    assert _found(watched.secrets, watched.codes, keys, {"log": _log(watched)}) == []
    answers = {f"{a.request.method} {a.request.url.path} -> {a.status_code}": a.content for a in watched.refusals}
    assert _found(watched.secrets - watched.shown, watched.codes, keys, answers) == []
    strangers = {a: body for a, body in answers.items() if b"<form" not in body}
    assert _found(watched.secrets, watched.codes, keys, strangers) == []


def _check_what_was_collected(watched: Watched) -> None:
    """A search for nothing finds nothing."""
    secrets = "\n".join(watched.secrets)
    for prefix in ("opw_", "oin_", "ost_", "oac_", "ort_", "ocs_"):
        assert f"\n{prefix}" in f"\n{secrets}", prefix
    assert len(JWT.findall(secrets)) >= 6
    assert len(watched.codes) >= 3
    assert len([secret for secret in watched.secrets if re.fullmatch("[0-9a-f]{64}", secret)]) >= 4
    assert len({answer.status_code for answer in watched.refusals}) >= 5
    assert not {answer.status_code for answer in watched.refusals} & {500, 503}


def _log(watched: Watched) -> bytes:
    """Everything that was printed, but for the administrator's link, which is shown once and on purpose."""
    log = watched.process.log
    assert "INTERNAL" not in log.upper()
    assert "Traceback" not in log
    assert "/authorize" in log
    lines = [line for line in log.splitlines() if "/account/set-password?token=opw_" in line]
    assert len(lines) == 1
    return log.replace(lines[0], "").encode()
