"""What the log says of a refused request: the error that the client is told, and what only the operator may know."""

from server.observability.logging import logger
from server.protocol.errors import ClientRefusedError, OAuth2Error, UnprovenRequestError

EXPECTED = frozenset({"authorization_pending", "slow_down", "use_dpop_nonce"})
"""Part of how it goes: no line for each."""


def note(error: OAuth2Error | UnprovenRequestError) -> None:
    """Write a refusal down. What was added to the error with `add_note` is the cause, which holds no secret."""
    code = str(error.error)
    if code in EXPECTED or isinstance(error, ClientRefusedError):
        return  # `server.endpoints.client_request` has a line of its own for the latter, with more in it
    told = {"error": code, "description": str(error.description or "")}
    cause = "; ".join(getattr(error, "__notes__", ()))
    logger().info("request refused", **told, **({"cause": cause} if cause else {}))
