"""Requests that are almost right: how Hypothesis makes them, and how they are sent, byte by byte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

from tests.support.server import RunningServer

MARKER = "zq7marker"
"""Part of many values that are sent; no error may show it."""
FORM_TYPE = b"application/x-www-form-urlencoded"
_addresses = count(1)


@dataclass(frozen=True)
class Mutation:
    """One thing that is wrong with a request."""

    kind: str
    name: str
    value: bytes
    """Percent-encoded already, rightly or not."""

    def apply(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        name = self.name.encode()
        rest = [pair for pair in fields if pair[0] != name]
        if self.kind == "drop":
            return rest
        if self.kind == "repeat":
            return [*fields, *(pair for pair in fields if pair[0] == name)]
        if self.kind == "add":
            return [*fields, (name, self.value)]
        if self.kind == "array":
            return [*rest, (name + b"[]", self.value), (name + b"%5B0%5D", self.value)]
        if self.kind == "rename":
            return [*rest, (self.value, b"x")]
        return [*rest, (name, self.value)]


@dataclass(frozen=True)
class Odd:
    """What is odd about one request."""

    mutations: list[Mutation] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    is_post: bool = True
    tail: bytes = b""

    def encode(self, base: Mapping[str, str]) -> bytes:
        fields = [(name.encode(), quote_plus(value).encode()) for name, value in base.items()]
        for mutation in self.mutations:
            fields = mutation.apply(fields)
        return b"&".join(name + b"=" + value for name, value in fields) + self.tail


def encoded(text: str) -> bytes:
    return quote(text.encode("utf-8", "surrogatepass"), safe="").encode()


LONG = ("a" * 300, "9" * 5000, "a" * 17_000, "\U0001f600" * 2000, "[" * 900, "openid " * 60)
TEXTS = st.one_of(
    st.sampled_from(
        (
            "",
            " ",
            "\0",
            "a\0b",
            "\ud800",
            "\udfff\ud800",
            "\xe9",
            "\U0001f600",
            '"',
            "\\",
            "'",
            "<b>",
            "\r\nx: y",
            "%00",
        )
    ),
    st.sampled_from(("0", "-1", "1e400", "NaN", "true", "null", "[]", "{}", '{"a":[1]}', '{"userinfo":5}', "[null]")),
    st.sampled_from(
        ("none", "login", "openid", "code", "S256", "plain", "query", "form_post", "..", "a.b.c", "e30.e30.")
    ),
    st.sampled_from(LONG),
    st.text(st.characters(codec=None), max_size=12),
)
RAW = st.sampled_from(
    (b"%", b"%z", b"%zz", b"%u0041", b"%FF", b"%C3", b"%ED%A0%80", b"%00", b"+", b";", b"a;b=c", b"\xff", b"\xc3\xa9")
)
VALUES = st.one_of(
    st.builds(lambda text, end: encoded(text + end), TEXTS, st.sampled_from(("", MARKER))),
    st.builds(lambda raw, end: raw + end, RAW, st.sampled_from((b"", MARKER.encode()))),
)
KINDS = ("replace", "replace", "replace", "drop", "repeat", "add", "array", "rename")
GARBAGE = st.one_of(
    st.binary(max_size=20).map(lambda raw: raw.translate(None, b"\0\r\n")),
    st.sampled_from((b"", b"=", b";;", b'"', b"\xff\xfe", b"x" * 5000, MARKER.encode(), "\U0001f600".encode())),
)
COOKIES = st.builds(
    lambda name, value: name + b"=" + value,
    st.sampled_from((b"__Host-ostiary_session", b"__Host-ostiary_browser", b"__Host-ostiary_known", b"")),
    GARBAGE,
)
CONTENT_TYPES = st.sampled_from(
    (
        b"",
        b"text/plain",
        b"application/json",
        b"multipart/form-data; boundary=x",
        FORM_TYPE + b"; charset=utf-16",
        FORM_TYPE,
    )
)
AUTHORIZATIONS = st.builds(
    lambda scheme, rest: scheme + rest,
    st.sampled_from((b"", b"Basic", b"Basic ", b"basic ", b"Bearer ", b"Bearer", b"DPoP ", b"Basic d2ViOg==")),
    GARBAGE,
)
HEADERS = st.one_of(
    st.tuples(st.just(b"authorization"), AUTHORIZATIONS),
    st.tuples(st.just(b"cookie"), COOKIES),
    st.tuples(st.just(b"content-type"), CONTENT_TYPES),
    st.tuples(st.sampled_from((b"user-agent", b"host", b"origin", b"x-forwarded-for", b"accept-language")), GARBAGE),
    st.tuples(st.just(b"accept"), st.sampled_from((b"text/html", b"application/jwt", b"*/*"))),
)


def odd(*names: str, methods: tuple[bool, ...] = (True,)) -> st.SearchStrategy[Odd]:
    """Return requests in which some of these parameters, or headers, are not as they should be."""
    mutations = st.builds(Mutation, st.sampled_from(KINDS), st.sampled_from(names), VALUES)
    return st.builds(
        Odd,
        st.lists(mutations, max_size=3),
        st.lists(HEADERS, max_size=2),
        st.sampled_from(methods),
        st.sampled_from((b"", b"", b"", b"&", b"&&=", b"&=" + MARKER.encode(), b"&x" * 120)),
    )


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def send(
    server: RunningServer, method: str, path: str, encoded_fields: bytes, headers: list[tuple[bytes, bytes]]
) -> Answer:
    """Send bytes as they are: HTTP libraries would put them in order. An exception in the server fails the test."""
    is_post = method == "POST"
    number = next(_addresses)  # each from another address, or throttling would hide what is behind it
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"" if is_post else encoded_fields,
        "headers": headers,
        "client": (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1234),
        "server": ("127.0.0.1", 443),
    }
    messages = [{"type": "http.request", "body": encoded_fields if is_post else b"", "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def take(message: Any) -> None:
        sent.append(message)

    await server.app(scope, receive, take)
    names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))
