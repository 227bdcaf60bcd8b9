"""Which algorithm signs what is made for a client: the one it registered, else the first that its profile allows."""

from clients.client import Client
from server.protocol.errors import UnauthorizedClientError
from server.settings import Settings


def algorithm_for(client: Client, registered: str | None, settings: Settings) -> str:
    """Return an algorithm that is active here. Raises UnauthorizedClientError where the client may use none of them."""
    active = [name for name in settings.signing_algorithms if name in client.security_profile.algorithms]
    if registered is not None and registered not in active:
        raise UnauthorizedClientError("An algorithm that the client registered is not enabled for it on this server")
    if not active:
        # FAPI 2.0 Security Profile section 5.4.1 rules RS256 out, which may be all there is
        raise UnauthorizedClientError("No algorithm that is enabled on this server is strong enough for the client")
    return registered or active[0]
