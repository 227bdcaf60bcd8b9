"""Client-Initiated Backchannel Authentication: OpenID Connect CIBA Core 1.0, poll and ping modes.

The grant is in `server/grants/ciba.py`, the person's page in `server/pages/account/requests.py`.
"""

import re
import unicodedata
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from clients.backchannel_metadata import DELIVERY_MODES
from clients.client import Client
from keys.jose import SIGNING_ALGORITHMS, JoseError
from server.accounts import identifiers
from server.accounts.user import User, find, find_by_login
from server.endpoints.client_request import ClientRequest, handle
from server.grants import ciba
from server.grants.ciba import Asked, CibaGrant
from server.grants.decision import POLL_INTERVAL_SECONDS
from server.protocol import backchannel_prompts, backchannel_signature
from server.protocol.authorization_request import BACKCHANNEL_MODE, AuthorizationRequest, Draft
from server.protocol.backchannel_signature import HINTS, Signed
from server.protocol.checks import check_details, requested_scopes
from server.protocol.errors import (
    InvalidBindingMessageError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from server.protocol.extension import Endpoint, Extension
from server.protocol.interaction import AAL1, AAL2
from server.protocol.request import Parameters
from server.protocol.response import Answer
from server.protocol.services import Services
from server.storage import one_time, sessions
from server.tokens import id_token, opaque

JTI_KIND = "backchannel_request"
MAX_BINDING_CHARACTERS = 100
PUNCTUATION = frozenset(" -_.,:;!?#+*()'/&%=")
MAX_HINT_CHARACTERS = 320
MAX_EXPIRY_DIGITS = 6
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{22,1024}=*\Z")
"""Section 7.1: the syntax of RFC 6750 section 2.1, at most 1024 characters; fewer than 22 cannot hold 128 bits."""
MAX_TOKEN_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Named:
    """The person of a request, as the client named them."""

    name: str
    user: User | None
    is_told: bool
    """Whether the client may know that somebody is here, or not."""


async def backchannel_authentication(request: Request) -> Response:
    """Ask a person, and give the client what it can fetch the answer with (sections 7.1 to 7.3)."""
    signed = Signed()

    async def prepare(asked: ClientRequest) -> ClientRequest:
        client = asked.authenticated.client
        if CibaGrant.GRANT_TYPE not in client.grant_types or client.is_public:
            raise UnauthorizedClientError("The client is not registered for this grant_type")
        parameters = await backchannel_signature.take(client, asked.parameters, asked.services, signed)
        return replace(asked, parameters=parameters)

    return await handle(request, lambda db, asked: _begin(db, asked, signed), prepare=prepare, is_own_audience=True)


def _begin(db: Connection | None, request: ClientRequest, signed: Signed) -> Answer:
    if db is None:
        raise RuntimeError("backchannel authentication needs the database")
    client, services, now = request.authenticated.client, request.services, request.now
    asked = read(client, request.parameters, services)
    if signed.jti is not None:
        digest = opaque.digest(JTI_KIND, f"{client.client_id}\0{signed.jti}")
        if not one_time.consume_foreign(db, JTI_KIND, digest, now=now, expires_at=signed.expires_at + 60):
            raise InvalidRequestError("The signed request was used before")
    named = _named(db, client, request.parameters, services)
    user = backchannel_prompts.admit(db, services, client, named.user, named=named.name, is_told=named.is_told, now=now)
    auth_req_id = ciba.begin(db, services, client, asked, user, context=request.context, now=now)
    if user is not None:
        backchannel_prompts.tell(db, services, client, user, expires_at=now + asked.seconds, now=now)
    return Answer(200, {"auth_req_id": auth_req_id, "expires_in": asked.seconds, "interval": POLL_INTERVAL_SECONDS})


def read(client: Client, parameters: Parameters, services: Services) -> Asked:
    """Return what the person will decide about, whoever that is (section 7.2). Raises protocol errors."""
    if sum(parameters.get(name) is not None for name in HINTS) != 1:
        raise InvalidRequestError("Exactly one hint must say who is asked")
    if parameters.get("scope") is None:
        raise InvalidRequestError("The scope is missing")
    scopes = requested_scopes(parameters.get("scope"), client, services)
    if "openid" not in scopes:
        raise InvalidScopeError("The scope lacks openid")
    wanted = (parameters.get("acr_values") or "").split() or client.default_acr_values
    draft = Draft(response_mode=BACKCHANNEL_MODE)
    draft.values = {
        "redirect_uri": services.settings.url(backchannel_prompts.PAGE),
        "response_type": CibaGrant.GRANT_TYPE,
        "scopes": scopes,
        # Section 7.3: the person decides each time, whatever they allowed before.
        "prompt": frozenset({"consent"}),
        "max_age": client.default_max_age,
        "acr_values": tuple(value for value in wanted if value in (AAL1, AAL2)),
    }
    check_details(draft, parameters, client, services)
    request = AuthorizationRequest(
        client_id=client.client_id, response_mode=draft.response_mode, details=draft.details, **draft.values
    )
    message = _binding_message(parameters.get("binding_message"))
    return Asked(request, message, _notification_token(client, parameters), _seconds(parameters))


def _notification_token(client: Client, parameters: Parameters) -> str | None:
    if client.backchannel_token_delivery_mode != "ping":
        return None
    token = parameters.get("client_notification_token") or ""
    if len(token) > MAX_TOKEN_CHARACTERS or not _TOKEN.match(token):
        raise InvalidRequestError("The client_notification_token is missing, malformed, too short or too long")
    return token


def _binding_message(value: str | None) -> str | None:
    """Refuse what would not be shown as it was sent, or could pass for something else (sections 7.1 and 13)."""
    if value is None:
        return None
    is_plain = all(c in PUNCTUATION or unicodedata.category(c)[0] in "LN" for c in value)
    if not is_plain or not value.strip() or len(value) > MAX_BINDING_CHARACTERS:
        raise InvalidBindingMessageError(
            f"The binding_message must be at most {MAX_BINDING_CHARACTERS} letters, digits, spaces and plain marks"
        )
    return value


def _seconds(parameters: Parameters) -> int:
    value = parameters.get("requested_expiry")
    if value is None:
        return ciba.LIFETIME_SECONDS
    if not (value.isascii() and value.isdecimal() and len(value) <= MAX_EXPIRY_DIGITS and int(value)):
        raise InvalidRequestError("The requested_expiry is not a positive number of seconds")
    return max(ciba.MIN_LIFETIME_SECONDS, min(int(value), ciba.MAX_LIFETIME_SECONDS))


def _named(db: Connection, client: Client, parameters: Parameters, services: Services) -> Named:
    """Find the person. Whoever may not sign in counts as nobody."""
    typed, hint = parameters.get("login_hint"), parameters.get("id_token_hint")
    if typed is not None:
        bounded = typed[:MAX_HINT_CHARACTERS]
        name = f"login:{identifiers.normalize_login(bounded) or bounded}"
        return Named(name, _active(find_by_login(db, bounded)), client.skip_consent)
    if hint is None:
        raise InvalidRequestError("The login_hint_token is not supported")
    user_id = _hinted(db, hint, client, services)
    user = None if user_id is None else _active(find(db, user_id))
    return Named(f"user:{user_id}", user, True)


def _active(user: User | None) -> User | None:
    return user if user is not None and user.is_active else None


def _hinted(db: Connection, hint: str, client: Client, services: Services) -> str | None:
    """Return whom an ID token of this client is about, expired or not (section 7.1)."""
    try:
        claims = id_token.read_hint(services.keys, services.settings.issuer, hint)
    except JoseError:
        raise InvalidRequestError("The id_token_hint is not an ID token of this server") from None
    if claims["aud"] != client.client_id:
        raise InvalidRequestError("The id_token_hint was issued to another client")
    if client.sector is None:
        return str(claims["sub"])
    # Nobody gets from a pairwise identifier back to the person; the sign-in that the token names is theirs.
    session_id = services.subjects.session_of(client.sector, claims.get("sid"))
    user_id = None if session_id is None else sessions.find_owner(db, session_id)
    is_theirs = user_id is not None and services.subject_of(client, user_id) == claims["sub"]
    return user_id if is_theirs else None


BACKCHANNEL_AUTHENTICATION = Extension(
    name="backchannel_authentication",
    title="OpenID Connect Client-Initiated Backchannel Authentication Flow - Core 1.0",
    specification="https://openid.net/specs/openid-client-initiated-backchannel-authentication-core-1_0.html",
    metadata=lambda _services: {
        "backchannel_token_delivery_modes_supported": list(DELIVERY_MODES),
        "backchannel_authentication_request_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "backchannel_user_code_parameter_supported": False,
    },
    grants=(CibaGrant,),
    endpoints=(
        Endpoint("backchannel_authentication_endpoint", "/bc-authorize", ("POST",), backchannel_authentication),
    ),
)
