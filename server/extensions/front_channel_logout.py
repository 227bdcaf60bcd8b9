"""Front-channel logout: OpenID Connect Front-Channel Logout 1.0. The page after signing out tells clients in frames.

The page is `server.pages.sign_out`. Browsers that keep third-party cookies away make it less dependable than the back
channel, which tells of every end of a sign-in, not only of those in this browser.
"""

from server.accounts.logout_notices import FRONT_CHANNEL
from server.protocol.extension import Extension
from server.protocol.logout_clients import note_client_on

FRONT_CHANNEL_LOGOUT = Extension(
    name="front_channel_logout",
    title="OpenID Connect Front-Channel Logout 1.0",
    specification="https://openid.net/specs/openid-connect-frontchannel-1_0.html",
    metadata=lambda _services: {"frontchannel_logout_supported": True, "frontchannel_logout_session_supported": True},
    response_step=note_client_on(FRONT_CHANNEL),
)
