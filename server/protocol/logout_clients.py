"""Which clients hear of the end of a sign-in, and on which channel."""

from collections.abc import Callable
from typing import Any

from server.accounts import logout_notices
from server.protocol.token_issue import TokenIssue


def note_client_on(channel: str) -> Callable[[TokenIssue, dict[str, Any]], None]:
    """Return the response step that notes a client with tokens of a session, so that it is told of the session's end.

    With tokens it has a sign-in of its own, which must end too.
    """

    def note(issue: TokenIssue, _body: dict[str, Any]) -> None:
        session_id, client = issue.authorization["session_id"], issue.client
        logout_notices.note(issue.db, session_id, client.client_id, client.metadata, channel=channel)

    return note
