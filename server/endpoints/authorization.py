"""The authorization endpoint: RFC 6749 section 3.1, OpenID Connect Core section 3.1.2.

Until client and redirect URI are proven, errors are our own page; from then on they go to the client.
"""

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from server.languages import Message as _
from server.observability import trace
from server.pages import answer, interaction
from server.pages.visit import PageError, Visit
from server.protocol.authorization_request import Draft
from server.protocol.checks import check_response_mode, prove_client, prove_redirect_uri, resolve, validate
from server.protocol.errors import InvalidRequestError, OAuth2Error, UnprovenRequestError
from server.protocol.interaction import Interaction
from server.protocol.refusals import note
from server.protocol.request import Parameters, form_parameters, query_parameters
from server.protocol.response import error_parameters


async def authorization(request: Request) -> Response:
    """Answer an authorization request, or lead the person to the first page that is due."""
    visit = Visit.of(request)
    is_post = request.method == "POST"
    try:
        parameters = await form_parameters(request) if is_post else query_parameters(request)
    except InvalidRequestError as error:
        note(error)
        raise _refusal("invalid_request", str(error.description)) from None
    client_id = parameters.get("client_id")
    trace.name_client(client_id)
    client = None if client_id is None else await visit.services.registry.find(client_id)
    draft = Draft()
    try:
        proven = prove_client(parameters, client, visit.services)
        parameters = await resolve(draft, parameters, proven, visit.services)
        authorization_request = validate(parameters, proven, visit.services, draft)
    except UnprovenRequestError as error:
        note(error)
        raise _refusal(error.error, error.message) from None
    except OAuth2Error as error:
        return _error(visit, client, draft, parameters, error)
    begun = Interaction(
        created_at=visit.now,
        request=authorization_request,
        is_registering="create" in authorization_request.prompt,
    )
    return await interaction.begin(visit, begun, client, is_same_site=not is_post or visit.session_cookie is not None)


def _error(visit: Visit, client: Client | None, draft: Draft, parameters: Parameters, error: OAuth2Error) -> Response:
    """Tell the client, if it is proven where it is."""
    note(error)
    if client is not None and draft.redirect_uri is None and "redirect_uri" in parameters.values:
        # What stands for the request could not be read; what stands beside it may still say where errors go.
        with contextlib.suppress(UnprovenRequestError, OAuth2Error):
            prove_redirect_uri(draft, parameters, client)
            check_response_mode(draft, parameters, client, visit.services)
    if client is None or draft.redirect_uri is None:
        raise _refusal(str(error.error), str(error.description)) from None
    state = None if "state" in parameters.repeated else parameters.get("state")
    return answer.send(visit, client, draft.redirect_uri, draft.response_mode, state, error_parameters(error))


def _refusal(error: str, message: str) -> PageError:
    sentence = message if message.endswith(".") else f"{message}."  # descriptions for clients end without
    return PageError(
        400,
        _("The application sent an invalid request"),
        _("%(problem)s (error: %(error)s)", problem=sentence, error=error),
        _("Go back to the application and try again. If it happens again, tell the people who run it."),
        is_noted=True,
    )
