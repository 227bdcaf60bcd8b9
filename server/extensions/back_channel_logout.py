"""Back-channel logout: OpenID Connect Back-Channel Logout 1.0. Whenever a sign-in ends, its clients are told.

What ends it is no concern of this file: `server.accounts.sessions` puts the notices into the outbox, and
`server.protocol.logout_delivery` sends them.
"""

from server.accounts.logout_notices import BACK_CHANNEL
from server.protocol.extension import Extension
from server.protocol.logout_clients import note_client_on

BACK_CHANNEL_LOGOUT = Extension(
    name="back_channel_logout",
    title="OpenID Connect Back-Channel Logout 1.0",
    specification="https://openid.net/specs/openid-connect-backchannel-1_0.html",
    metadata=lambda _services: {"backchannel_logout_supported": True, "backchannel_logout_session_supported": True},
    response_step=note_client_on(BACK_CHANNEL),
)
