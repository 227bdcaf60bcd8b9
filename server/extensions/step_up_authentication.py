"""Step-up authentication: RFC 9470.

Tokens say `acr` and `auth_time`, the authorization endpoint takes `acr_values` and `max_age` (OpenID Connect Core), and
discovery names the `acr_values_supported`. What is left is the challenge, at our own resources: the account API asks
for it where it must, UserInfo where a client's metadata does.
"""

from sqlalchemy import Connection

from server.protocol import bearer
from server.protocol.bearer import BearerToken
from server.protocol.extension import Extension
from server.protocol.services import Services
from server.storage import clients


def check_userinfo(db: Connection, services: Services, token: BearerToken, now: int) -> None:
    """Challenge for a stronger or fresher sign-in where the client's metadata demands one (section 3)."""
    client_id = str(token.claims.get("client_id"))
    client = services.registry.cached(client_id) or clients.find_client(db, client_id)
    if client is not None:
        bearer.check_authentication(token, now=now, acr=client.userinfo_acr, max_age=client.userinfo_max_age)


STEP_UP_AUTHENTICATION = Extension(
    name="step_up_authentication",
    title="RFC 9470 OAuth 2.0 Step Up Authentication Challenge Protocol",
    specification="https://www.rfc-editor.org/rfc/rfc9470",
    userinfo_check=check_userinfo,
)
