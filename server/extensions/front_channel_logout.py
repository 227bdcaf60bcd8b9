"""Front-channel logout: OpenID Connect Front-Channel Logout 1.0. The page after signing out tells clients in frames.

The page is `server.pages.sign_out`. Browsers that keep third-party cookies away make it less dependable than the back
channel, which tells of every end of a sign-in, not only of those in this browser.
"""

from typing import Any

from server.accounts import logout_notices
from server.protocol.extension import Extension
from server.protocol.token_issue import TokenIssue


def note_client(issue: TokenIssue, _body: dict[str, Any]) -> None:
    """Note that the client has tokens of the session, so that it is told of its end."""
    session_id, client = issue.authorization["session_id"], issue.client
    logout_notices.note(issue.db, session_id, client.client_id, client.metadata, channel=logout_notices.FRONT_CHANNEL)


FRONT_CHANNEL_LOGOUT = Extension(
    name="front_channel_logout",
    title="OpenID Connect Front-Channel Logout 1.0",
    specification="https://openid.net/specs/openid-connect-frontchannel-1_0.html",
    metadata=lambda _services: {"frontchannel_logout_supported": True, "frontchannel_logout_session_supported": True},
    response_step=note_client,
)
