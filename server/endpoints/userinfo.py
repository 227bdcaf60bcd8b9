"""The UserInfo endpoint: OpenID Connect Core section 5.3."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts.claims import claims_of, select
from server.protocol import bearer
from server.protocol.errors import BearerError, OAuth2Error
from server.protocol.response import Answer, error_answer, to_response
from server.protocol.services import services_of


async def userinfo(request: Request) -> Response:
    """Return the claims about the person that the token's scopes and the `claims` parameter name."""
    services = services_of(request)
    try:
        token = await bearer.presented_token(request)
    except OAuth2Error as error:
        return to_response(error_answer(error))

    def work(db: Connection) -> Answer:
        try:
            verified = bearer.check(db, services, token, now=services.clock.now())
        except BearerError as error:
            return error_answer(error)
        if "openid" not in verified.scopes:
            return error_answer(
                BearerError("insufficient_scope", "The openid scope is needed", status=403, scope="openid")
            )
        requested = verified.authorization["claims"].get("userinfo", {})
        names = {*verified.scopes, *requested}
        known = claims_of(verified.user) | services.person_claims(db, verified.user, names)
        return Answer(200, select(known, verified.scopes, requested))

    return to_response(await services.database.read(work))
