"""Who asks and from where: carried from the edge to every audit row and log line."""

from dataclasses import dataclass

ADDRESS_LENGTH = 64
USER_AGENT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Context:
    """One request's origin. `actor` is a user's id, a client's id, `cli`, `system` or `anonymous`."""

    request_id: str
    address: str
    user_agent: str = ""
    actor: str = "anonymous"


SYSTEM = Context(request_id="", address="", actor="system")
CLI = Context(request_id="", address="", actor="cli")
