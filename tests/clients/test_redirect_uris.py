"""Which redirect URIs may be registered: RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 4.1."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clients.redirect_uris import MAX_CHARACTERS, problem_of

CB = "https://client.example/cb"


@pytest.mark.parametrize(
    "uri",
    [
        CB,
        "https://client.example",
        "https://client.example/",
        "https://client.example:8443/cb",
        "https://client.example/cb?tenant=7&lang=de",
        "https://client.example/cb?encoded=1&statement=2",
        "https://xn--bcher-kva.example/cb",
        "https://192.0.2.7/cb",
        "https://[2001:db8::7]/cb",
        "https://client.example/a.b/..c/d../...",
        "https://client.example/caf%C3%A9",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:49152/cb",
        "http://[::1]:49152/cb",
        "http://localhost:3000/cb",
    ],
)
@pytest.mark.parametrize("is_native", [False, True])
def test_an_https_or_loopback_uri_may_be_registered(uri: str, *, is_native: bool) -> None:
    """RFC 9700 section 2.1, RFC 8252 section 7.3."""
    assert problem_of(uri, is_native=is_native) is None


@pytest.mark.parametrize(
    "uri",
    [
        "com.example.app:/cb",
        "com.example.app:/",
        "com.example.app:/oauth2redirect/example-provider",
        "com.example.my-app+beta:/cb",
        "COM.EXAMPLE.APP:/cb",
    ],
)
def test_a_reverse_domain_name_is_the_scheme_of_an_installed_app_only(uri: str) -> None:
    """RFC 8252 section 7.1."""
    assert problem_of(uri, is_native=True) is None
    assert "application_type native" in str(problem_of(uri))


@pytest.mark.parametrize(
    "uri", ["myapp:/cb", "app:/cb", "x-app://cb", "ftp://client.example/cb", "urn:ietf:oob", "a1:b"]
)
def test_a_private_use_scheme_without_a_dot_is_refused(uri: str) -> None:
    """RFC 8252 section 7.1: two apps could choose the same."""
    assert "reverse domain name" in str(problem_of(uri, is_native=True))


@pytest.mark.parametrize("uri", [".app:/cb", "com.:/cb", "com..app:/cb", "1com.app:/cb", "-a.b:/cb", "com_x.app:/cb"])
def test_a_private_use_scheme_is_well_formed(uri: str) -> None:
    """RFC 3986 section 3.1."""
    assert problem_of(uri, is_native=True) is not None


@pytest.mark.parametrize(
    "uri", [f"{CB}#", f"{CB}#top", f"{CB}?a=1#b", "#", "com.example.app:/cb#x", "http://127.0.0.1/#"]
)
def test_a_fragment_is_refused(uri: str) -> None:
    """RFC 6749 section 3.1.2."""
    assert problem_of(uri, is_native=True) is not None


@pytest.mark.parametrize(
    "uri",
    [
        "https://user@client.example/cb",
        "https://user:password@client.example/cb",
        "https://@client.example/cb",
        "https://:@client.example/cb",
        "https://client.example@evil.example/cb",
        "https://client.example:443@evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://evil.example@127.0.0.1/cb",
        "com.example.app://user@host/cb",
    ],
)
def test_a_user_name_is_refused(uri: str) -> None:
    """RFC 9700 section 4.1.1: it shows one host and leads to another."""
    assert problem_of(uri, is_native=True) is not None


@pytest.mark.parametrize(
    "scheme", ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"]
)
@pytest.mark.parametrize("rest", ["", "alert(1)", "//client.example/cb", "text/html,x", "https://client.example/cb"])
@pytest.mark.parametrize("is_native", [False, True])
def test_a_scheme_that_runs_or_reads_anything_is_refused(scheme: str, rest: str, *, is_native: bool) -> None:
    for written in (scheme, scheme.upper(), scheme.capitalize()):
        assert "runs or reads" in str(problem_of(f"{written}:{rest}", is_native=is_native))


@pytest.mark.parametrize(
    "host",
    [
        "client.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhost.",
        "127.0.0.2",
        "127.1",
        "0.0.0.0",  # noqa: S104  nobody listens there
        "2130706433",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "[::]",
        "192.168.0.7",
    ],
)
def test_http_leaves_no_loopback_interface(host: str) -> None:
    """RFC 9700 section 2.6, RFC 8252 section 8.3."""
    assert problem_of(f"http://{host}/cb", is_native=True) is not None


@pytest.mark.parametrize(
    "character",
    [*'\\"<>^`{|} \t\r\n\0\x0b\x0c\x1f\x7f\x85\xa0', "\u2028", "\u200b", "\ufeff", "ä", "。", "\ud800", "😀"],
)
@pytest.mark.parametrize("around", ["{}" + CB, CB + "{}", "https://client{}.example/cb", "https://client.example/{}cb"])
def test_a_character_that_belongs_into_no_uri_is_refused(character: str, around: str) -> None:
    """RFC 3986 section 2: parsers drop or change such characters, each in its own way."""
    assert "RFC 3986" in str(problem_of(around.format(character)))


@pytest.mark.parametrize("uri", [f"{CB}%", f"{CB}%2", f"{CB}%zz", f"{CB}%u0041", "https://client.example/%%41"])
def test_a_percent_sign_stands_before_two_hexadecimal_digits(uri: str) -> None:
    """RFC 3986 section 2.1."""
    assert problem_of(uri) is not None


@pytest.mark.parametrize("port", ["0", "00", "65536", "99999", "-1", "+1", "8o", "443:443", "%38%30", "٨٠"])
@pytest.mark.parametrize(
    "origin", ["https://client.example", "http://127.0.0.1", "http://[::1]", "com.example.app://x"]
)
def test_a_port_that_there_is_not_is_refused(port: str, origin: str) -> None:
    assert problem_of(f"{origin}:{port}/cb", is_native=True) is not None


@pytest.mark.parametrize(
    "uri",
    [
        "https:",
        "https:/cb",
        "https://",
        "https:///cb",
        "https:client.example/cb",
        "https://?x=1",
        "https://:443/cb",
        "https://client..example/cb",
        "https://.example/cb",
        "https://*.client.example/cb",
        "https://client%2eexample/cb",
        "https://client.example%40evil.example/cb",
        "https://client.example,evil.example/cb",
        "https://client.example;evil.example/cb",
        "https://cliënt.example/cb",
        "https://client。example/cb",
        "https://[::1/cb",
        "https://::1]/cb",
        "https://[client.example]/cb",
        "https://[127.0.0.1]/cb",
        "https://[fe80::1%25eth0]/cb",
        "//client.example/cb",
        "/cb",
        "client.example/cb",
        "cb",
        "",
    ],
)
def test_a_web_address_needs_a_host_written_out_in_ascii(uri: str) -> None:
    """RFC 9700 section 2.1: nothing is matched as a pattern, and nothing is relative."""
    assert problem_of(uri, is_native=True) is not None


@pytest.mark.parametrize("uri", ["https://[v1.x]/cb", "https://[vF.client.example]/cb"])
def test_an_address_of_a_future_version_of_ip_is_refused(uri: str) -> None:
    """RFC 3986 section 3.2.2: nothing can be sent there, and without its brackets it looks like a name."""
    assert problem_of(uri) is not None


@pytest.mark.parametrize("segment", [".", "..", "%2e", "%2E", "%2e%2e", ".%2e", "%2E.", "%2E%2e"])
@pytest.mark.parametrize("path", ["/{}", "/{}/", "/cb/{}", "/cb/{}/other", "/cb/{}?x=1"])
def test_a_dot_segment_is_refused(segment: str, path: str) -> None:
    """RFC 3986 section 5.2.4: a browser would go elsewhere than the registered text says."""
    for origin in ("https://client.example", "http://127.0.0.1:8080", "com.example.app:"):
        assert ". or .. segments" in str(problem_of(origin + path.format(segment), is_native=True))


@pytest.mark.parametrize(
    "name",
    ["code", "state", "iss", "error", "error_description", "id_token", "access_token", "response", "session_state"],
)
@pytest.mark.parametrize("query", ["{}=x", "{}", "{}=", "a=1&{}=x", "&&{}=x", "{}=x&b=2"])
def test_a_parameter_of_answers_is_refused_in_the_registered_query(name: str, query: str) -> None:
    """RFC 9700 section 4.4: a client would read two of them, and might choose the wrong one."""
    encoded = "".join(f"%{ord(character):02x}" for character in name)
    for written in (name, encoded, f"%{ord(name[0]):02X}{name[1:]}"):
        for start in (f"{CB}?", "http://[::1]/cb?", "com.example.app:/cb?"):
            assert "query parameters" in str(problem_of(start + query.format(written), is_native=True))


def test_a_parameter_of_answers_may_be_a_part_of_the_path_or_of_a_value() -> None:
    for uri in ("https://client.example/code", "https://client.example/state=1", f"{CB}?next=code&STATE=1"):
        assert problem_of(uri) is None


@pytest.mark.parametrize("value", [None, 5, True, b"https://client.example/cb", ["https://client.example/cb"], {}])
def test_what_is_no_text_is_no_redirect_uri(value: object) -> None:
    assert problem_of(value) is not None


def test_the_length_has_a_limit() -> None:
    longest = CB + "x" * (MAX_CHARACTERS - len(CB))
    assert problem_of(longest) is None
    assert problem_of(longest + "x") is not None


@given(st.one_of(st.text(), st.text("htps:/@[].?#%0127vcom&=\\ \t", max_size=30).map(lambda rest: f"https://{rest}")))
@example("https://[")
@example("https://client.example:²/cb")
def test_any_text_is_either_registrable_or_refused_with_a_reason(text: str) -> None:
    problem = problem_of(text, is_native=True)
    assert problem is None or problem
    if problem is None:
        assert text.isascii()
        assert text.isprintable()
        assert not set('#\\ "<>') & set(text)
