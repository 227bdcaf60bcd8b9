"""Back-channel logout: OpenID Connect Back-Channel Logout 1.0. Whenever a sign-in ends, its clients are told.

What ends it is no concern of this file: `server.accounts.sessions` puts the notices into the outbox, and
`server.protocol.logout_delivery` sends them.
"""

from typing import Any

from server.accounts import logout_notices
from server.protocol.extension import Extension
from server.protocol.token_issue import TokenIssue


def note_client(issue: TokenIssue, _body: dict[str, Any]) -> None:
    """Note that the client has tokens of the session, and with them a sign-in of its own that must end too."""
    session_id, client = issue.authorization["session_id"], issue.client
    logout_notices.note(issue.db, session_id, client.client_id, client.metadata, channel=logout_notices.BACK_CHANNEL)


BACK_CHANNEL_LOGOUT = Extension(
    name="back_channel_logout",
    title="OpenID Connect Back-Channel Logout 1.0",
    specification="https://openid.net/specs/openid-connect-backchannel-1_0.html",
    metadata=lambda _services: {"backchannel_logout_supported": True, "backchannel_logout_session_supported": True},
    response_step=note_client,
)
