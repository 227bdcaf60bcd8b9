"""What the log says of a refused request: the error that the client is told, and what only the operator may know."""

from clients.metadata import InvalidClientMetadata
from server.languages import Message
from server.observability.logging import logger
from server.protocol.errors import ClientRefusedError, OAuth2Error, UnprovenRequestError

EVENT = "request refused"
EXPECTED = frozenset(
    {
        *("authorization_pending", "slow_down", "use_dpop_nonce"),
        # what `prompt=none` is told, time and again, in applications that look whether somebody is signed in
        *("login_required", "consent_required", "interaction_required", "account_selection_required"),
    }
)
"""Part of how it goes: no line for each."""


def note(error: OAuth2Error | UnprovenRequestError | InvalidClientMetadata) -> None:
    """Write a refusal down. What was added to the error with `add_note` is the cause, which holds no secret."""
    code = str(error.error)
    if code in EXPECTED or isinstance(error, ClientRefusedError):
        return  # `server.endpoints.client_request` has a line of its own for the latter, with more in it
    told = {"error": code, "description": str(error.description or "")}
    cause = "; ".join(getattr(error, "__notes__", ()))
    logger().info(EVENT, **told, **({"cause": cause} if cause else {}))


def note_answer(status: int, description: str, *, cause: str = "") -> None:
    """Write down what a person, or a caller of the JSON API, was told, for which no specification has a code.

    Without the values in it: they are somebody's.
    """
    said = {"description": _template(description), **({"cause": _template(cause)} if cause else {})}
    logger().info(EVENT, status=status, **said)


def _template(text: str) -> str:
    return text.template if isinstance(text, Message) else str(text)
