"""Which algorithm signs what is made for a client: one that is active here, and that its profile allows."""

from clients.client import Client
from server.protocol.errors import UnauthorizedClientError
from server.settings import Settings

DEFAULT = "RS256"
"""Of a client that registered none: OpenID Connect Registration section 2, JARM section 3, RFC 9701 section 6."""


def algorithm_for(client: Client, registered: str | None, settings: Settings) -> str:
    """Return the algorithm that a client registered for an answer, else RS256, else the first that it may have.

    Raises UnauthorizedClientError where the client may use none.
    """
    active = _active(client, settings)
    if registered is None:
        return DEFAULT if DEFAULT in active else _first(active)
    if registered not in active:
        raise UnauthorizedClientError("An algorithm that the client registered is not enabled for it on this server")
    return registered


def first_algorithm(client: Client, settings: Settings) -> str:
    """Return the first algorithm that a client may have: that of access tokens, for which clients register none.

    Raises UnauthorizedClientError where there is none.
    """
    return _first(_active(client, settings))


def _first(active: list[str]) -> str:
    if not active:
        # FAPI 2.0 Security Profile section 5.4.1 rules RS256 out, which may be all there is
        raise UnauthorizedClientError("No algorithm that is enabled on this server is strong enough for the client")
    return active[0]


def _active(client: Client, settings: Settings) -> list[str]:
    return [name for name in settings.signing_algorithms if name in client.security_profile.algorithms]
