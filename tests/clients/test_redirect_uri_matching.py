"""When a requested redirect URI is a registered one: RFC 9700 sections 2.1 and 4.1.3, RFC 8252 section 7.3."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from clients.redirect_uris import matches

CB = "https://client.example/cb"


@pytest.mark.parametrize(
    "requested",
    [
        "https://client.example/cb/",
        "https://client.example/CB",
        "https://CLIENT.example/cb",
        "HTTPS://client.example/cb",
        "https://client.example:443/cb",
        "https://client.example./cb",
        "https://client.example/cb?",
        "https://client.example/cb?a=1",
        "https://client.example/cb#",
        "https://client.example/%63b",
        "https://client.example/x/../cb",
        "https://client.example//cb",
        "https://client.example/c",
        "https://client.example/cbx",
        "https://sub.client.example/cb",
        "https://client.example.evil.example/cb",
        "https://client.example@evil.example/cb",
        "http://client.example/cb",
        " https://client.example/cb",
        "https://client.example/cb\n",
        "",
    ],
)
def test_a_requested_uri_is_compared_as_an_exact_string(requested: str) -> None:
    """RFC 9700 sections 2.1 and 4.1.3."""
    assert matches((CB,), CB)
    assert not matches((CB,), requested)


def test_nothing_matches_where_nothing_is_registered() -> None:
    assert not matches((), CB)
    assert not matches((), "")
    assert not matches((), "http://127.0.0.1/cb")


def test_one_of_several_registered_uris_is_enough() -> None:
    assert matches(("https://client.example/a", CB), CB)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("rest", ["", "/", "/cb", "/cb?tenant=7", "?tenant=7"])
@pytest.mark.parametrize("registered_port", ["", ":80", ":3000"])
@pytest.mark.parametrize("requested_port", ["", ":1", ":80", ":49152", ":65535"])
def test_a_loopback_address_matches_on_every_port(
    host: str, rest: str, registered_port: str, requested_port: str
) -> None:
    """RFC 8252 section 7.3: the app learns its port from the system, when it asks."""
    assert matches((f"http://{host}{registered_port}{rest}",), f"http://{host}{requested_port}{rest}")


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://localhost:3000/cb", "http://localhost:3001/cb"),
        ("http://localhost/cb", "http://localhost:3001/cb"),
        ("http://localhost/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:3000/cb"),
        ("http://[::1]/cb", "http://127.0.0.1:3000/cb"),
        ("https://127.0.0.1:3000/cb", "https://127.0.0.1:3001/cb"),
        ("https://[::1]:3000/cb", "https://[::1]:3001/cb"),
        ("https://127.0.0.1/cb", "http://127.0.0.1:3000/cb"),
        ("https://client.example/cb", "https://client.example:8443/cb"),
        ("com.example.app://x:1/cb", "com.example.app://x:2/cb"),
    ],
)
def test_no_other_address_matches_on_another_port(registered: str, requested: str) -> None:
    """RFC 8252 sections 7.3 and 8.3: `localhost` is a name, which others may answer for."""
    assert matches((registered,), registered)
    assert not matches((registered,), requested)


@pytest.mark.parametrize(
    "requested",
    [
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:٨٠/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:80.evil.example/cb",
        "http://127.0.0.1:80\\@evil.example/cb",
        "http://127.0.0.1:80#@evil.example/cb",
        "http://127.0.0.1evil.example/cb",
        "http://127.0.0.10/cb",
        "http://user@127.0.0.1:80/cb",
        "HTTP://127.0.0.1:80/cb",
        "http://127.1:80/cb",
        "http://127.0.0.1:80/cb/",
        "http://127.0.0.1:80/CB",
        "http://127.0.0.1:80//cb",
        "http://127.0.0.1:80/cb?x=1",
        "http://127.0.0.1:80/cb#",
        "http://127.0.0.1:80/cb\n",
        "http://127.0.0.1:80",
    ],
)
def test_only_the_port_of_a_loopback_address_may_differ(requested: str) -> None:
    """RFC 8252 section 7.3."""
    assert not matches(("http://127.0.0.1/cb", "http://127.0.0.1:8080/cb"), requested)


PIECES = (
    st.sampled_from(["https://", "http://", "http://", "HTTP://", "com.example.app:/"]),
    st.sampled_from(["", "", "", "a@", "127.0.0.1@"]),
    st.sampled_from(["127.0.0.1", "[::1]", "localhost", "client.example", "127.0.0.1.client.example"]),
    st.sampled_from(["", ":", ":0", ":1", ":80", ":080", ":443", ":65535", ":65536"]),
    st.sampled_from(["", "/", "/cb", "/cb/", "/CB", "/cb?", "?a=1", "/c%62", "/cb#", "@a.example/cb", ".a.example/cb"]),
)


@st.composite
def two_uris(draw: st.DrawFn) -> tuple[str, str]:
    """Two URIs that differ in at most two of their parts."""
    one = [draw(piece) for piece in PIECES]
    changed = draw(st.sets(st.integers(0, len(PIECES) - 1), max_size=2))
    other = [draw(PIECES[place]) if place in changed else part for place, part in enumerate(one)]
    return "".join(one), "".join(other)


def parts_but_the_port(uri: str) -> tuple[str, str] | None:
    """A loopback address and what follows its port, read by hand; None for any other."""
    for address in ("http://127.0.0.1", "http://[::1]"):
        rest = uri.removeprefix(address)
        if rest != uri and (rest == "" or rest[0] in ":/?"):
            port = rest[1:].partition("/")[0].partition("?")[0] if rest.startswith(":") else ""
            return address, rest.removeprefix(":" + port)
    return None


@given(two_uris())
@example(("http://127.0.0.1.a.example/cb", "http://127.0.0.1:80.a.example/cb"))
@example(("http://127.0.0.1@a.example/cb", "http://127.0.0.1:80@a.example/cb"))
@example(("http://127.0.0.1#/cb", "http://127.0.0.1:80#/cb"))
def test_a_uri_never_matches_another_one_but_for_a_loopback_port(both: tuple[str, str]) -> None:
    """RFC 9700 section 2.1."""
    registered, requested = both
    if registered != requested and matches((registered,), requested):
        assert parts_but_the_port(registered) is not None
        assert parts_but_the_port(registered) == parts_but_the_port(requested)


@given(st.text(), st.text())
@example("http://localhost:1", "http://localhost:2")
@example("https://127.0.0.1:1", "https://127.0.0.1:2")
def test_a_text_matches_itself_only_where_it_is_no_loopback_address(registered: str, requested: str) -> None:
    assume(not requested.startswith(("http://127.0.0.1", "http://[::1]")))
    assert matches((registered,), requested) is (registered == requested)
    assert matches((registered,), registered)
