"""How often clients may have something stored for them before any person is there: RFC 9126 section 2.3, RFC 8628.

A public client is a name that everybody knows, and one that registered itself costs its maker nothing: there the
address counts. Any other client is held to account by its name, wherever its servers are.
"""

from clients.client import Client
from server.accounts.throttling import address_key
from server.clock import Clock
from server.pacing import Pace
from server.protocol.errors import TooManyRequestsError

ADDRESS_AT_ONCE, ADDRESS_A_SECOND = 300, 5
"""A company behind one address begins its working day at once."""
CLIENT_AT_ONCE, CLIENT_A_SECOND = 1000, 50


class RequestPace:
    """The paces of one server process, each endpoint for itself."""

    def __init__(self, clock: Clock, *, is_on: bool) -> None:
        self._addresses = Pace(clock, at_once=ADDRESS_AT_ONCE, a_second=ADDRESS_A_SECOND, is_on=is_on)
        self._clients = Pace(clock, at_once=CLIENT_AT_ONCE, a_second=CLIENT_A_SECOND, is_on=is_on)

    def check(self, endpoint: str, client: Client, address: str) -> None:
        """Count a request, before anything is done for it. Raises TooManyRequestsError."""
        if client.is_public or client.is_unverified:
            is_allowed = self._addresses.take(f"{endpoint}\0{address_key(address).name}")
        else:
            is_allowed = self._clients.take(f"{endpoint}\0{client.client_id}")
        if not is_allowed:
            raise TooManyRequestsError(1, "Too many requests, try again later")
