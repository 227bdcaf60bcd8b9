"""Device Authorization Grant: RFC 8628. Its page is in `server/pages/device.py`, the grant in `server/grants`."""

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.client import Client
from server.endpoints.client_request import ClientRequest, handle
from server.grants import device_code
from server.grants.decision import POLL_INTERVAL_SECONDS
from server.grants.device_code import DeviceCodeGrant, shown
from server.protocol.authorization_request import DEVICE_MODE, AuthorizationRequest, Draft
from server.protocol.checks import check_details, requested_scopes
from server.protocol.errors import UnauthorizedClientError
from server.protocol.extension import Endpoint, Extension
from server.protocol.interaction import AAL1, AAL2
from server.protocol.request import Parameters
from server.protocol.response import Answer
from server.protocol.services import Services

PATH = "/device"


async def device_authorization(request: Request) -> Response:
    """Give a device its codes (section 3.1)."""

    async def prepare(asked: ClientRequest) -> ClientRequest:
        asked.services.request_pace.check(PATH, asked.authenticated.client, asked.context.address)
        return asked

    return await handle(request, _begin, prepare=prepare)


def _begin(db: Connection | None, request: ClientRequest) -> Answer:
    if db is None:
        raise RuntimeError("device authorization needs the database")
    client, services = request.authenticated.client, request.services
    if DeviceCodeGrant.GRANT_TYPE not in client.grant_types:
        raise UnauthorizedClientError("The client is not registered for this grant_type")
    asked = authorization_request(client, request.parameters, services)
    codes = device_code.begin(db, asked, now=request.now)
    uri, user_code = services.settings.url(PATH), shown(codes.user_code)
    body = {
        "device_code": codes.device_code,
        "user_code": user_code,
        "verification_uri": uri,
        "verification_uri_complete": f"{uri}?user_code={user_code}",
        "expires_in": device_code.LIFETIME_SECONDS,
        "interval": POLL_INTERVAL_SECONDS,
    }
    return Answer(200, body)


def authorization_request(client: Client, parameters: Parameters, services: Services) -> AuthorizationRequest:
    """Return what the person will decide about. They are asked whatever they allowed before: section 5.4."""
    draft = Draft(response_mode=DEVICE_MODE)
    draft.values = {
        "redirect_uri": services.settings.url(PATH),
        "response_type": DeviceCodeGrant.GRANT_TYPE,
        "scopes": requested_scopes(parameters.get("scope"), client, services),
        "prompt": frozenset({"consent"}),
        "max_age": client.default_max_age,
        "acr_values": tuple(value for value in client.default_acr_values if value in (AAL1, AAL2)),
    }
    check_details(draft, parameters, client, services)
    return AuthorizationRequest(
        client_id=client.client_id, response_mode=draft.response_mode, details=draft.details, **draft.values
    )


DEVICE_AUTHORIZATION = Extension(
    name="device_authorization",
    title="RFC 8628 Device Authorization Grant",
    specification="https://www.rfc-editor.org/rfc/rfc8628",
    grants=(DeviceCodeGrant,),
    endpoints=(Endpoint("device_authorization_endpoint", "/device_authorization", ("POST",), device_authorization),),
)
