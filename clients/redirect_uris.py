"""Which redirect URIs may be registered, and when a requested one is a registered one."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

LOOPBACK_ADDRESSES = ("http://127.0.0.1", "http://[::1]")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DANGEROUS_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"})
RESERVED_PARAMETERS = frozenset(
    {
        "code",
        "state",
        "iss",
        "error",
        "error_description",
        "error_uri",
        "id_token",
        "access_token",
        "response",
        "session_state",
    }
)
MAX_CHARACTERS = 2000
_URI = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+\Z")  # RFC 3986 section 2
# A-labels and IPv4 addresses, or an IPv6 address. No *: nothing is matched as a pattern (RFC 9700 section 2.1).
_HOST = re.compile(r"(?:(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|[0-9a-f.]*:[0-9a-f:.]*)\Z")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z")
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?(?=[/?]|\Z)")


def problem_of(uri: object, *, is_native: bool = False) -> str | None:
    """Return why a URI may not be registered, None where it may (RFC 9700 section 4.1.3, RFC 8252 section 7)."""
    if not isinstance(uri, str) or not uri or len(uri) > MAX_CHARACTERS or not _URI.match(uri):
        return "a redirect URI must be written in the characters of RFC 3986, at most 2000 of them"
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "a redirect URI is not a valid URI"
    scheme = parts.scheme.lower()
    if "#" in uri or parts.username is not None or parts.password is not None or port == 0:
        return "a redirect URI must not have a fragment, a user name or port 0"
    if scheme in DANGEROUS_SCHEMES:
        return "a redirect URI must not have a scheme that runs or reads anything"
    if scheme in ("http", "https"):
        problem = _web_problem(scheme, parts.hostname, has_brackets="[" in parts.netloc)
    else:
        problem = _private_problem(scheme, is_native=is_native)
    return problem or _path_problem(parts.path, parts.query)


def _web_problem(scheme: str, host: str | None, *, has_brackets: bool) -> str | None:
    if "*" in (host or ""):
        return "a redirect URI is compared letter for letter, wildcards are not accepted: register each one"
    # What stands in brackets has colons, or it is an address of a future version of IP (RFC 3986 section 3.2.2).
    if not host or not _HOST.match(host) or has_brackets != (":" in host):
        return "a redirect URI needs a host, written out in ASCII"
    if scheme == "http" and host not in LOOPBACK_HOSTS:
        return "a redirect URI must be https outside loopback"
    return None


def _private_problem(scheme: str, *, is_native: bool) -> str | None:
    if not is_native:
        return "a private-use scheme is for application_type native"
    if not _PRIVATE_SCHEME.match(scheme):
        # RFC 8252 section 7.1: reverse domain names, so that two apps do not choose the same
        return "a private-use scheme must be a reverse domain name such as com.example.app"
    return None


def _path_problem(path: str, query: str) -> str | None:
    # Browsers take %2e for a dot here (URL Standard), and would not go where the registered text says.
    if any(segment in (".", "..") for segment in path.lower().replace("%2e", ".").split("/")):
        return "a redirect URI must not have . or .. segments"
    if RESERVED_PARAMETERS & {name for name, _ in parse_qsl(query, keep_blank_values=True)}:
        return "a redirect URI must not have query parameters that answers use"
    return None


def matches(registered: Sequence[str], requested: str) -> bool:
    """Whether a requested URI is registered: as an exact string (RFC 9700 section 2.1).

    The one exception is the port of a loopback address, which a native app cannot know before (RFC 8252 section 7.3).
    """
    if requested in registered:
        return True
    if not requested.startswith(LOOPBACK_ADDRESSES):
        return False
    without_port = _without_port(requested)
    return without_port is not None and any(_without_port(uri) == without_port for uri in registered)


def _without_port(uri: str) -> str | None:
    match = _LOOPBACK.match(uri)
    if match is None or (match[2] is not None and not 0 < int(match[2][1:]) <= 65_535):  # noqa: PLR2004  ports
        return None
    return match[1] + uri[match.end() :]
