"""Response types: OAuth 2.0 Multiple Response Type Encoding Practices 1.0."""

RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
"""`token` alone is not among them: nobody could tell who its access token is for (RFC 9700 section 2.1.2)."""
_CANONICAL = {frozenset(name.split()): name for name in RESPONSE_TYPES}
_FRONT_CHANNEL = frozenset({"token", "id_token"})


def canonical_response_type(value: str) -> str:
    """Return a response type in the order of words that we write; as it came where nobody knows it (section 3)."""
    words = value.split(" ")
    return value if len(set(words)) != len(words) else _CANONICAL.get(frozenset(words), value)


def words_of(response_type: str | None) -> frozenset[str]:
    """Return what a response type asks for."""
    return frozenset((response_type or "").split(" "))


def is_front_channel(response_type: str | None) -> bool:
    """Whether tokens travel through the browser."""
    return bool(words_of(response_type) & _FRONT_CHANNEL)


def default_response_mode(response_type: str | None) -> str:
    """Return how an answer travels when the request does not say (section 2.1): tokens never in a query."""
    return "fragment" if is_front_channel(response_type) else "query"
