"""The UserInfo endpoint: OpenID Connect Core section 5.3."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from server.accounts.claims import claims_of, select
from server.protocol import bearer, dpop_proof, userinfo_answer
from server.protocol.errors import BearerError, OAuth2Error
from server.protocol.resource_metadata import add_to_challenge
from server.protocol.response import Answer, error_answer, to_response
from server.protocol.services import Services, services_of


async def userinfo(request: Request) -> Response:
    """Return the claims about the person that the token's scopes and the `claims` parameter name."""
    services = services_of(request)
    response = await _respond(request, services)
    add_to_challenge(response.headers, services.settings)
    return response


async def _respond(request: Request, services: Services) -> Response:
    now = services.clock.now()
    try:
        token = await bearer.presented_token(request)
    except OAuth2Error as error:
        return to_response(error_answer(error))

    def work(db: Connection) -> tuple[Answer, str | None]:
        try:
            verified = bearer.check(db, services, token, now=now)
            for check in services.hooks.userinfo_checks:
                check(db, services, verified, now)
        except BearerError as error:
            return error_answer(error), None
        if "openid" not in verified.scopes:
            refusal = BearerError("insufficient_scope", "The openid scope is needed", status=403, scope="openid")
            return error_answer(refusal), None
        requested = verified.authorization["claims"].get("userinfo", {})
        names = {*verified.scopes, *requested}
        known = claims_of(verified.user) | services.person_claims(db, verified.user, names)
        # OpenID Connect Core section 5.3.2: the `sub` of the ID token, which may be pairwise
        known["sub"] = verified.claims["sub"]
        headers = dpop_proof.nonce_headers(services, now) if token.is_dpop else {}
        answer = Answer(200, select(known, verified.scopes, requested), tuple(headers.items()))
        return answer, str(verified.authorization["client_id"])

    # A proof is used up, which is written down.
    run = services.database.run if token.is_dpop else services.database.read
    answer, client_id = await run(work)
    return to_response(answer if client_id is None else await userinfo_answer.encode(services, client_id, answer, now))
