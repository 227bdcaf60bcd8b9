"""Who has an account, and which clients there are, cannot be found out by asking: same answers, same time."""

import itertools
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from server.accounts import lifecycle, throttling
from server.accounts.user import find_by_email
from server.events.context import CLI
from tests.keys.material import key_pair, signer
from tests.support.person import Person
from tests.support.relying_party import RelyingParty
from tests.support.server import PASSWORD, RunningServer

CHANGES_EACH_TIME = frozenset({"date", "x-request-id"})
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
COSTLY: dict[str, Any] = {
    "argon2_time_cost": 2,
    "argon2_memory_kib": 8192,
    "argon2_parallel": 1,
    "rate_limits": False,
    "issuer": "http://localhost:8000",  # only there may the limits be off
}
once = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
Ask = Callable[[str], Awaitable[httpx.Response]]


def _seen(response: httpx.Response, *typed: str) -> tuple[Any, ...]:
    """What somebody sees of an answer, without what differs each time and what they typed themselves."""
    headers = sorted((name, value) for name, value in response.headers.items() if name not in CHANGES_EACH_TIME)
    body = re.sub(r"oin_[\w-]{43}|(?<=csrf_token\" value=\")[0-9a-f]{64}|[0-9a-f]{16}(?=</code>)", "", response.text)
    body = re.sub(r"(?<=challenge&#34;: &#34;)[\w-]{43}", "", body)
    for text in typed:
        body = body.replace(text, "")
    return response.status_code, [pair for pair in headers if pair[0] != "content-length"], body


async def _disable(server: RunningServer, email: str) -> None:
    def work(db: Connection) -> None:
        user = find_by_email(db, email)
        assert user is not None
        lifecycle.disable(db, user, context=CLI, now=server.clock.now())

    await server.run(work)


async def _people(server: RunningServer) -> tuple[str, ...]:
    """Accounts of every kind, and none; all equally long, so that even the lengths of answers can be compared."""
    await server.add_person("alice@example.com")
    await server.add_person("carol@example.com")
    await _disable(server, "carol@example.com")
    await server.add_person("david@example.com")
    async with Person(server, email="david@example.com") as david:
        await david.visit("/account")
        await david.sign_in()
        await david.enrol()
    return ("alice@example.com", "carol@example.com", "david@example.com", "nobod@example.com", "nobody at all !!!")


async def _try(server: RunningServer, email: str, password: str, rp: RelyingParty) -> tuple[httpx.Response, Person]:
    async with Person(server, email=email, password=password) as stranger:
        await stranger.visit(rp.url())
        await stranger.sign_in()
    return stranger.response, stranger


async def test_a_failed_sign_in_looks_the_same_for_every_account_and_for_none(
    server: RunningServer, rp: RelyingParty
) -> None:
    """OWASP ASVS 5.0 section 6.3.8."""
    people = await _people(server)
    for password in ("wrong", "", "x" * 2000, "\N{EURO SIGN}" * 500):
        answers = [_seen((await _try(server, email, password, rp))[0], email) for email in people]
        assert answers[0][0] == 400
        assert all(answer == answers[0] for answer in answers), password[:10]
        server.clock.advance(3600)


@once
async def test_a_disabled_account_is_not_told_from_a_wrong_password(server: RunningServer, rp: RelyingParty) -> None:
    await _people(server)
    right, _ = await _try(server, "carol@example.com", PASSWORD, rp)
    wrong, _ = await _try(server, "alice@example.com", "wrong", rp)
    assert _seen(right, "carol@example.com") == _seen(wrong, "alice@example.com")


async def test_guesses_are_slowed_down_alike_for_every_account_and_for_none(
    server: RunningServer, rp: RelyingParty
) -> None:
    """A counter that only real accounts have would tell which ones are real."""
    answers: dict[str, list[tuple[Any, ...]]] = {}
    for email in await _people(server):
        async with Person(server, email=email, password="wrong") as stranger:
            await stranger.visit(rp.url())
            answers[email] = []
            for _ in range(7):
                await stranger.sign_in()
                answers[email].append(_seen(stranger.response, email))
    first = answers["alice@example.com"]
    assert [answer[0] for answer in first] == [400] * 5 + [429] * 2
    assert all(answer == first for answer in answers.values())


@once
async def test_the_second_factor_is_asked_for_only_after_the_right_password(
    server: RunningServer, rp: RelyingParty
) -> None:
    """Otherwise its page would tell who has an account, and who has protected it."""
    await _people(server)
    _, stranger = await _try(server, "david@example.com", "wrong", rp)
    assert stranger.title == "Sign in"
    _, david = await _try(server, "david@example.com", PASSWORD, rp)
    assert david.title == "Enter your code"


@once
async def test_pages_before_the_sign_in_do_not_know_the_hinted_person(server: RunningServer, rp: RelyingParty) -> None:
    """OpenID Connect Core section 3.1.2.1: `login_hint` is what anybody may send."""
    people = await _people(server)
    for prompt in (None, "login", "create", "select_account", "none", "consent"):
        answers = []
        for email in people:
            async with Person(server) as stranger:
                await stranger.visit(rp.url(prompt=prompt, login_hint=email))
                answers.append((stranger.left_for, *_seen(stranger.response, email)))
        answers = [(a[0], a[1], [h for h in a[2] if h[0] != "set-cookie"], *a[3:]) for a in answers]
        assert all(answer == answers[0] for answer in answers), prompt


@once
async def test_a_bad_registration_does_not_tell_whether_the_address_is_taken(
    server: RunningServer, rp: RelyingParty
) -> None:
    """Only a registration that would succeed can tell, and of those an address has few (see below)."""
    people = (await _people(server))[:-1]
    for name, password in (("", PASSWORD), ("Mallory", "short"), ("Mallory", ""), ("", "")):
        answers = []
        for email in people:
            async with Person(server) as stranger:
                await stranger.visit(rp.url(prompt="create"))
                await stranger.submit(None, None, name=name, email=email, password=password)
                answers.append(_seen(stranger.response, email))
        assert answers[0][0] == 400
        assert all(answer == answers[0] for answer in answers)


async def test_a_taken_address_is_told_to_few_and_alike_for_every_kind_of_account(
    server: RunningServer, rp: RelyingParty
) -> None:
    """OWASP ASVS 5.0 section 6.3.8. Who registers is signed in at once, so that a taken address has to be told."""
    people = (await _people(server))[:3]
    free = throttling.POLICIES[throttling.Kind.REGISTRATION].free
    answers = []
    async with Person(server) as stranger:
        await stranger.visit(rp.url(prompt="create"))
        form = stranger.form
        for number in range(free + 2):
            email = people[number % len(people)]
            await stranger.submit(None, form, name="Mallory", email=email, password="a long enough pass phrase")
            answers.append(_seen(stranger.response, email))
    assert [answer[0] for answer in answers] == [400] * free + [429] * 2
    assert all(answer == answers[0] for answer in answers[:free])


async def _clients(server: RunningServer) -> tuple[str, ...]:
    jwks = {"keys": [key_pair("ES256").public_jwk]}
    await server.add_client("basic")
    await server.add_client("posts", token_endpoint_auth_method="client_secret_post")
    await server.add_client("signs", token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    await server.add_client("plain", token_endpoint_auth_method="none")
    return ("basic", "posts", "signs", "plain", "nobod", "x\N{POUND SIGN}y z")


def _assertion(server: RunningServer, client_id: str, number: int = 2) -> str:
    now = server.clock.now()
    claims = {"iss": client_id, "sub": client_id, "aud": server.issuer, "exp": now + 60, "iat": now, "jti": "x"}
    return signer("ES256", number).sign(claims, typ="JWT")


@once
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
async def test_a_failed_client_authentication_looks_the_same_for_every_client_and_for_none(
    server: RunningServer, path: str
) -> None:
    """RFC 6749 section 5.2."""
    clients = await _clients(server)
    form = {"grant_type": "client_credentials", "token": "x"}
    async with server.http() as http:

        async def basic(name: str) -> httpx.Response:
            return await http.post(path, data=form, auth=httpx.BasicAuth(name, "wrong"))

        async def post(name: str) -> httpx.Response:
            return await http.post(path, data={**form, "client_id": name, "client_secret": "wrong"})

        async def assertion(name: str) -> httpx.Response:
            values = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": _assertion(server, name)}
            return await http.post(path, data={**form, **values})

        for ask in (basic, post, assertion):
            answers = [_seen(await ask(name)) for name in clients]
            assert answers[0][0] == 401
            assert all(answer == answers[0] for answer in answers), ask.__name__


async def test_clients_are_slowed_down_alike_whether_they_exist_or_not(server: RunningServer) -> None:
    clients = (await _clients(server))[:-1]
    answers: dict[str, list[tuple[Any, ...]]] = {}
    limit = throttling.POLICIES[throttling.Kind.CLIENT].free + 2
    async with server.http() as http:
        for name in clients:
            answers[name] = [
                _seen(await http.post("/token", data={"grant_type": "x"}, auth=(name, "wrong"))) for _ in range(limit)
            ]
    first = answers["basic"]
    assert [answer[0] for answer in first] == [401] * (limit - 2) + [429] * 2
    assert all(answer == first for answer in answers.values())


async def test_introspection_and_revocation_do_not_tell_unknown_from_foreign_tokens(
    server: RunningServer, person: Person, rp: RelyingParty
) -> None:
    """RFC 7662 section 2.2, RFC 7009 section 2.2."""
    tokens = await rp.sign_in(person)
    mallory = RelyingParty(server, "other", await server.add_client("other"))
    unknown = tokens["refresh_token"][:-5] + "AAAAA"
    for path in ("/introspect", "/revoke"):
        asked = (tokens["refresh_token"], tokens["access_token"], tokens["id_token"], unknown, "x")
        answers = [_seen(await mallory.post(path, token=token)) for token in asked]
        assert answers[0][0] == 200
        assert all(answer == answers[0] for answer in answers)
    assert (await rp.userinfo(tokens["access_token"])).status_code == 200


async def _medians(ask: Ask, names: tuple[str, ...], rounds: int) -> dict[str, float]:
    """The median time of each, asked in turn, so that whatever else the machine does slows all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            started = time.perf_counter()
            await ask(name)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in times.items()}


async def _assert_alike(ask: Ask, names: tuple[str, ...], rounds: int, ratio: float) -> dict[str, float]:
    """A leak is there every time, a hiccup of the machine is not: of five tries one must be even."""
    medians: dict[str, float] = {}
    for _ in range(5):
        medians = await _medians(ask, names, rounds)
        if max(medians.values()) / min(medians.values()) < ratio:
            return medians
    raise AssertionError(f"the times differ: {medians}")


async def _hashing(server: RunningServer) -> float:
    """The least time that one hash takes."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        await server.services.hasher.verify(None, "a wrong pass phrase")
        times.append(time.perf_counter() - started)
    return min(times)


@pytest.mark.parametrize("overrides", [COSTLY], indirect=True)
async def test_a_failed_sign_in_takes_the_same_time_for_every_account_and_for_none(
    server: RunningServer, rp: RelyingParty
) -> None:
    """NIST SP 800-63B-4 section 3.2.2; OWASP ASVS 5.0 section 6.3.8."""
    people = await _people(server)
    async with Person(server) as stranger:
        await stranger.visit(rp.url())
        form = stranger.form

        async def ask(email: str) -> httpx.Response:
            data = {**form.fields, "email": email, "password": "a wrong pass phrase"}
            return await stranger.http.post(form.action, data=data)

        medians = await _assert_alike(ask, people, rounds=9, ratio=1.5)
    assert min(medians.values()) > await _hashing(server) / 2


async def test_a_failed_client_authentication_takes_the_same_time_for_every_client_and_for_none(
    server: RunningServer,
) -> None:
    """Counting, writing down and comparing cost the same; the generous bound is for the disk."""
    await _clients(server)
    numbers = itertools.count()

    async def basic(name: str) -> httpx.Response:
        number = next(numbers)  # each from an address of its own, so that none is slowed down
        async with server.http(address=f"198.51.{number // 250}.{number % 250}") as http:
            response = await http.post("/token", data={"grant_type": "x"}, auth=(name, "wrong"))
        assert response.status_code == 401
        return response

    await _assert_alike(basic, ("basic", "posts", "plain", "nobod"), rounds=25, ratio=2)


@once
@pytest.mark.parametrize("overrides", [COSTLY], indirect=True)
async def test_a_registration_hashes_the_password_for_a_taken_address_too(
    server: RunningServer, rp: RelyingParty
) -> None:
    """A refusal before the costly work could be had by the thousand."""
    people = (await _people(server))[:3]
    async with Person(server) as stranger:
        await stranger.visit(rp.url(prompt="create"))
        form = stranger.form

        async def ask(email: str) -> httpx.Response:
            data = {**form.fields, "name": "Mallory", "email": email, "password": "a long enough pass phrase"}
            return await stranger.http.post(form.action, data=data)

        medians = await _assert_alike(ask, people, rounds=7, ratio=1.5)
    assert min(medians.values()) > await _hashing(server) / 2
