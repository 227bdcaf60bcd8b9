"""Reading a request once, within bounds, into parameters that nobody has to distrust the shape of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import OAuth2Payload
from starlette.requests import ClientDisconnect, Request

from clients.certificate import ClientCertificate
from clients.metadata import TOKEN_EXCHANGE
from server.events.context import Context
from server.protocol.errors import InvalidRequestError

MAX_BODY_BYTES = 65_536
MAX_FIELDS = 100
MAX_VALUE_CHARACTERS = 16_384
FORM_TYPE = "application/x-www-form-urlencoded"
REPEATABLE = frozenset({"resource"})
"""RFC 8707 section 2 lets a request name several resources; everything else may stand once."""
REPEATABLE_BY_GRANT = {TOKEN_EXCHANGE: frozenset({"audience"})}
"""RFC 8693 section 2.1 lets an exchange name several audiences as well."""


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """What the checks of a protocol request may need of HTTP beside the parameters."""

    method: str
    url: str
    """The request's URL as the issuer's configuration has it, without a query (RFC 9449 section 4.3)."""
    raw_headers: Sequence[tuple[bytes, bytes]] = ()
    """As ASGI gives them: names in small letters."""
    certificate: ClientCertificate | None = None
    """What the client has shown in TLS, where a trusted proxy tells (RFC 8705)."""

    @classmethod
    def of(cls, request: Request, url: str) -> "HttpFacts":
        """Read the facts of a request."""
        return cls(request.method, url, request.headers.raw, request.scope.get("client_certificate"))

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a header, whose name is given in small letters."""
        wanted = name.encode("ascii")
        return tuple(value.decode("latin-1") for key, value in self.raw_headers if key == wanted)


class BodyTooLargeError(Exception):
    """The body is larger than MAX_BODY_BYTES."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one request: each name once, no empty values (RFC 6749 section 3.1)."""

    values: Mapping[str, str]
    repeated: frozenset[str] = frozenset()
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, name: str) -> str | None:
        """Return a parameter's value, None where it is absent or empty."""
        return self.values.get(name)


def parse(encoded: str) -> Parameters:
    """Parse `application/x-www-form-urlencoded` text. Raises InvalidRequestError, naming no input."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise InvalidRequestError("The parameters are not valid UTF-8 form encoding, or too many") from None
    repeatable = REPEATABLE | REPEATABLE_BY_GRANT.get(dict(pairs).get("grant_type", ""), frozenset())
    values: dict[str, str] = {}
    repeated: set[str] = set()
    lists: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        if len(value) > MAX_VALUE_CHARACTERS or "\0" in value or "\0" in name:
            raise InvalidRequestError("A parameter is too long or holds a NUL character")
        if name in repeatable:
            lists[name] = (*lists.get(name, ()), value)
        if name in values and name not in repeatable:
            repeated.add(name)
        values.setdefault(name, value)
    # RFC 6749 section 3.1: a parameter without a value counts as omitted.
    present = {name: value for name, value in values.items() if value}
    return Parameters(present, frozenset(repeated), lists)


def query_parameters(request: Request) -> Parameters:
    """Return the parameters of the query string."""
    raw: bytes = request.scope["query_string"]
    if not raw:
        return Parameters({})
    try:
        return parse(raw.decode("ascii"))
    except UnicodeDecodeError:
        raise InvalidRequestError("The query string is not percent-encoded") from None


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """Return the whole body. Raises BodyTooLargeError as soon as it is known to exceed the limit."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise BodyTooLargeError
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise BodyTooLargeError
    except ClientDisconnect:
        raise InvalidRequestError("The request ended early") from None
    return bytes(body)


async def form_parameters(request: Request) -> Parameters:
    """Return the parameters of a form body; nothing else is a form (RFC 6749 section 3.2)."""
    content_type = request.headers.get("content-type", "")
    kind, _, options = content_type.partition(";")
    charset = options.replace(" ", "").replace('"', "").lower()
    if kind.strip().lower() != FORM_TYPE or charset not in ("", "charset=utf-8"):
        raise InvalidRequestError("The body must be application/x-www-form-urlencoded in UTF-8")
    body = await read_body(request)
    try:
        return parse(body.decode("ascii"))
    except UnicodeDecodeError:
        try:
            return parse(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise InvalidRequestError("The body is not valid UTF-8") from None


def refuse_repeated(parameters: Parameters) -> None:
    """Refuse a request that repeats a parameter (RFC 6749 sections 3.1 and 3.2)."""
    if parameters.repeated:
        raise InvalidRequestError("A parameter is repeated")


class _Payload(OAuth2Payload):
    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @property
    def data(self) -> Mapping[str, str]:
        return self._values

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {name: [value] for name, value in self._values.items()}


class ProtocolRequest(OAuth2Request):
    """One protocol request as Authlib sees it, with who asks. Its URI is the configured one, never from Host."""

    def __init__(self, http: HttpFacts, parameters: Parameters, context: Context) -> None:
        super().__init__(http.method, http.url)
        self.http = http
        self.parameters = parameters
        self.payload = _Payload(parameters.values)
        self.context = context
        self.token_request: Any = None
        """The `TokenRequest` behind it; the endpoint sets it."""

    @property
    def args(self) -> Mapping[str, str]:
        """The parameters: query and body are never mixed."""
        return self.parameters.values

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters: query and body are never mixed."""
        return self.parameters.values
