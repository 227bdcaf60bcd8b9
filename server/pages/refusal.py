"""The person's no: the interaction is over, and the client gets an error instead of a code."""

from sqlalchemy import Connection
from starlette.responses import Response

from clients.client import Client
from server.accounts import second_factor
from server.events.audit import record
from server.events.names import Event
from server.grants import device_code
from server.pages import answer
from server.pages.interaction import Situation
from server.pages.visit import Visit, stale
from server.protocol import interaction, pushed_request
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import (
    AccessDeniedError,
    ExpiredTokenError,
    OAuth2Error,
    UnmetAuthenticationRequirementsError,
)
from server.protocol.response import error_parameters
from server.settings import Mfa


async def of_access(visit: Visit, situation: Situation) -> Response:
    """Tell the client that access is denied (RFC 6749 section 4.1.2.1)."""
    return await _answer(visit, situation, AccessDeniedError("The person denied access"))


async def of_second_factor(visit: Visit, situation: Situation) -> Response:
    """Tell the client that the person does not set up the second factor, without which they cannot go on."""
    request = situation.state.request
    # A device learns no more than that it was denied (RFC 8628 section 3.5).
    is_unmet = interaction.demands_second_factor(request) and request is not None and request.device is None
    error = UnmetAuthenticationRequirementsError if is_unmet else AccessDeniedError
    return await _answer(visit, situation, error("The person did not set up a second factor"))


def is_possible(situation: Situation) -> bool:
    """Whether a forced second factor can be refused here: there is a client that can be told so.

    A request from elsewhere (OpenID Connect CIBA) is refused where the person is asked, on the account's pages.
    """
    request = situation.state.request
    is_forced = interaction.is_enrolment_forced(situation.state, situation.facts)
    return is_forced and request is not None and request.backchannel is None


def is_by_application(situation: Situation) -> bool:
    """Whether the application demands the second factor, and not the server or the person's role."""
    facts, request = situation.facts, situation.state.request
    if interaction.demands_second_factor(request):
        return True
    is_by_server = second_factor.policy_of(facts.settings, facts.user, None) is Mfa.REQUIRED
    return facts.client is not None and facts.client.require_mfa and not is_by_server


async def _answer(visit: Visit, situation: Situation, error: OAuth2Error) -> Response:
    request, client = situation.state.request, situation.facts.client
    if request is None or client is None:
        raise stale()
    await visit.services.database.run(lambda db: _refuse(db, visit, situation, request, client))
    return answer.to_client(visit, request, client, error_parameters(error))


def _refuse(db: Connection, visit: Visit, situation: Situation, request: AuthorizationRequest, client: Client) -> None:
    if not interaction.finish(db, situation.id, visit.now) or not pushed_request.use_up(db, request, visit.now):
        raise stale()
    user = situation.user
    if request.device is not None:
        try:
            device_code.deny(db, request, user.id, context=visit.context, now=visit.now)
        except ExpiredTokenError:
            raise stale() from None
    record(
        db,
        Event.CONSENT_DENIED,
        visit.context,
        now=visit.now,
        user_id=user.id,
        client_id=client.client_id,
        actor=user.id,
    )
