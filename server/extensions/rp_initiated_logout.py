"""RP-initiated logout: OpenID Connect RP-Initiated Logout 1.0."""

from server.pages.sign_out import end_session
from server.protocol.extension import Endpoint, Extension

RP_INITIATED_LOGOUT = Extension(
    name="rp_initiated_logout",
    title="OpenID Connect RP-Initiated Logout 1.0",
    specification="https://openid.net/specs/openid-connect-rpinitiated-1_0.html",
    endpoints=(Endpoint("end_session_endpoint", "/end-session", ("GET", "POST"), end_session),),
)
