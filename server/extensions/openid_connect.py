"""OpenID Connect Core 1.0: the parameters of an authentication request, ID tokens, UserInfo."""

from typing import Any

from clients.client import Client
from clients.encryption import ID_TOKEN
from clients.sector import SUBJECT_TYPES
from keys.decoding import decode_json_object
from keys.jose import JoseError
from keys.jwe import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from server.accounts.claims import SCOPE_CLAIMS, STANDARD_CLAIMS, claims_of, demanded_subjects, select
from server.endpoints.userinfo import userinfo
from server.languages import Message as _
from server.protocol import client_encryption
from server.protocol.authorization_request import Draft
from server.protocol.errors import (
    InvalidRequestError,
    LoginRequiredError,
    UnmetAuthenticationRequirementsError,
)
from server.protocol.extension import Endpoint, Extension
from server.protocol.interaction import AAL1, AAL2
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.protocol.signing import algorithm_for
from server.protocol.token_issue import Redemption, TokenIssue, TokenRequest
from server.settings import Registration
from server.tokens import id_token

PROMPTS = frozenset({"none", "login", "consent", "select_account", "create"})
DISPLAYS = ("page", "popup", "touch", "wap")
ACR_VALUES = (AAL1, AAL2)
MAX_CLAIMS_CHARACTERS = 8192
MAX_AGE_DIGITS = 10
MAX_NONCE_CHARACTERS = 1024
"""A nonce is stored with the code and signed into the ID token."""
MAX_HINT_CHARACTERS = 320
MAX_WORDS, MAX_WORD_CHARACTERS = 10, 35


def check_authentication_request(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Check the parameters of OpenID Connect Core section 3.1.2.1 and keep them."""
    values = draft.values
    nonce = parameters.get("nonce")
    if nonce is not None and len(nonce) > MAX_NONCE_CHARACTERS:
        raise InvalidRequestError("The nonce is too long")
    values["nonce"] = nonce
    values["prompt"] = _prompt(parameters.get("prompt"), services)
    values["max_age"] = _max_age(parameters.get("max_age"), client)
    values["login_hint"] = (parameters.get("login_hint") or "")[:MAX_HINT_CHARACTERS] or None
    values["ui_locales"] = _short_words(parameters.get("ui_locales"))
    display = parameters.get("display")
    values["display"] = display if display in DISPLAYS else None
    values["claims"] = _permitted(_claims(parameters.get("claims")), client)
    values["expected_subjects"] = _expected_subjects(
        parameters.get("id_token_hint"), values["claims"], client, services
    )
    _authentication_context(draft, parameters, client)
    _check_algorithm(client, services)
    if "openid" in values["scopes"]:
        client_encryption.check(services, client, ID_TOKEN)


def _short_words(value: str | None) -> tuple[str, ...]:
    return tuple(word for word in (value or "").split() if len(word) <= MAX_WORD_CHARACTERS)[:MAX_WORDS]


def _prompts(services: Services) -> frozenset[str]:
    # Initiating User Registration via OpenID Connect 1.0 section 4.1
    is_open = services.settings.registration is Registration.OPEN
    return PROMPTS if is_open else PROMPTS - {"create"}


def _prompt(value: str | None, services: Services) -> frozenset[str]:
    prompt = frozenset((value or "").split())
    if not prompt <= _prompts(services):
        raise InvalidRequestError("A prompt value is not supported")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequestError("prompt=none stands alone")
    return prompt


def _max_age(value: str | None, client: Client) -> int | None:
    if value is None:
        return client.default_max_age
    if not (value.isascii() and value.isdecimal() and len(value) <= MAX_AGE_DIGITS):
        raise InvalidRequestError("The max_age is not a number of seconds")
    return int(value)


def _expected_subjects(
    hint: str | None, claims: dict[str, Any], client: Client, services: Services
) -> tuple[str, ...] | None:
    # section 5.5.1: a demanded sub is as good as an id_token_hint: anybody else must sign in again
    demands = [demanded_subjects(claims.get(place)) for place in ("id_token", "userinfo")]
    if hint is not None:
        demands.append(_hinted_subject(hint, client, services))
    subjects = [demand for demand in demands if demand is not None]
    if not subjects:
        return None
    expected = frozenset.intersection(*subjects)
    if not expected:
        raise LoginRequiredError("The request asks for different people at once")
    return tuple(sorted(expected))


def _hinted_subject(hint: str, client: Client, services: Services) -> frozenset[str]:
    try:
        claims = id_token.read_hint(services.keys, services.settings.issuer, hint)
    except JoseError:
        raise InvalidRequestError("The id_token_hint is not an ID token of this server") from None
    if claims["aud"] != client.client_id:
        raise InvalidRequestError("The id_token_hint was issued to another client")
    return frozenset({str(claims["sub"])})


def _claims(value: str | None) -> dict[str, Any]:
    if value is None:
        return {}
    problem = InvalidRequestError("The claims parameter is malformed")
    if len(value) > MAX_CLAIMS_CHARACTERS:
        raise problem
    try:
        requested = decode_json_object(value.encode())
    except ValueError:
        raise problem from None
    kept: dict[str, Any] = {}
    for place in ("userinfo", "id_token"):
        members = requested.get(place)
        if members is None:
            continue
        if not isinstance(members, dict) or not all(isinstance(m, dict | None) for m in members.values()):
            raise problem
        kept[place] = members
    if "\\u0000" in value:
        raise problem
    return kept


def _permitted(claims: dict[str, Any], client: Client) -> dict[str, Any]:
    """Leave out claims whose scope the client may not ask for: naming a claim is no way round its registration."""
    hidden = {name for scope, names in SCOPE_CLAIMS.items() if scope not in client.scopes for name in names}
    return {
        place: {name: wish for name, wish in members.items() if name not in hidden} for place, members in claims.items()
    }


def _authentication_context(draft: Draft, parameters: Parameters, client: Client) -> None:
    # OpenID Connect Core section 5.5.1.1: acr as an essential claim must be met, acr_values is a wish
    values = draft.values
    asked = values["claims"].get("id_token", {})
    member = asked.get("acr") or {}
    wanted = member.get("values") or ([member["value"]] if member.get("value") else [])
    if wanted and isinstance(wanted, list):
        names = tuple(str(name) for name in wanted)
        values["is_acr_essential"] = member.get("essential") is True
        if values["is_acr_essential"] and not set(names) & set(ACR_VALUES):
            raise UnmetAuthenticationRequirementsError("The requested authentication strength is unknown")
    else:
        names = tuple((parameters.get("acr_values") or "").split()) or tuple(client.default_acr_values)
    # What nobody here knows changes nothing, and is not kept.
    values["acr_values"] = tuple(name for name in names if name in ACR_VALUES)[:MAX_WORDS]


def _check_algorithm(client: Client, services: Services) -> None:
    """Refuse a client whose ID tokens nobody here can sign: the operator switched its algorithm off."""
    algorithm_for(client, client.id_token_signed_response_alg, services.settings)


def add_id_token(issue: TokenIssue, body: dict[str, Any]) -> None:
    """Add the ID token to a token response (sections 3.1.3.3 and 12.2)."""
    if "openid" not in issue.scopes:
        return
    authorization = issue.authorization
    requested = authorization["claims"].get("id_token", {})
    # section 5.4: where nothing leads to UserInfo, the ID token holds what the scopes ask for
    scopes = issue.scopes if issue.access_token is None and issue.code is None else ()
    known = claims_of(issue.user) | issue.services.person_claims(issue.db, issue.user, {*requested, *scopes})
    person = select(known, scopes, requested)
    settings = issue.services.settings
    claims = id_token.IdTokenClaims(
        subject=issue.services.subject_of(issue.client, issue.user.id),
        client_id=issue.client.client_id,
        session_id=issue.services.sid_of(issue.client, authorization["session_id"]),
        auth_time=authorization["auth_time"],
        acr=authorization["acr"],
        amr=tuple(authorization["amr"]),
        nonce=issue.nonce,
        person=person,
    )
    signed = id_token.mint(
        issue.services.keys,
        settings.issuer,
        claims,
        access_token=issue.access_token,
        code=issue.code,
        algorithm=algorithm_for(issue.client, issue.client.id_token_signed_response_alg, settings),
        state=issue.state,
        now=issue.now,
        lifetime=settings.id_token_seconds,
    )
    body["id_token"] = client_encryption.encrypt(issue.services, issue.client, ID_TOKEN, signed)


def check_redemption(request: TokenRequest, redemption: Redemption) -> None:
    """Refuse, before a code is used up, a client whose ID token could not be encrypted in the end (section 10.2)."""
    if "openid" in redemption.client.scopes:
        client_encryption.check(request.services, redemption.client, ID_TOKEN)


def metadata(services: Services) -> dict[str, Any]:
    """Return what OpenID Connect Discovery 1.0 section 3 asks for."""
    extended = [name for extension in services.extensions for name in extension.person_claims]
    return {
        "subject_types_supported": list(SUBJECT_TYPES),
        "id_token_signing_alg_values_supported": list(services.settings.signing_algorithms),
        "id_token_encryption_alg_values_supported": list(KEY_MANAGEMENT),
        "id_token_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
        "userinfo_signing_alg_values_supported": list(services.settings.signing_algorithms),
        "userinfo_encryption_alg_values_supported": list(KEY_MANAGEMENT),
        "userinfo_encryption_enc_values_supported": list(CONTENT_ENCRYPTION),
        "claim_types_supported": ["normal"],
        "claims_supported": [*STANDARD_CLAIMS, "auth_time", "acr", "amr", "sid", *extended],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "acr_values_supported": list(ACR_VALUES),
        "prompt_values_supported": sorted(_prompts(services)),
        "display_values_supported": list(DISPLAYS),
        "ui_locales_supported": list(services.settings.languages),
    }


OPENID_CONNECT = Extension(
    name="openid_connect",
    title="OpenID Connect Core 1.0",
    specification="https://openid.net/specs/openid-connect-core-1_0.html",
    metadata=metadata,
    scopes={
        "openid": _("Know who you are"),
        "profile": _("See your profile: name, picture and similar"),
        "email": _("See your e-mail address"),
        "address": _("See your postal address"),
        "phone": _("See your phone number"),
        "offline_access": _("Keep access while you are not using the application"),
    },
    authorization_check=check_authentication_request,
    redemption_check=check_redemption,
    response_step=add_id_token,
    endpoints=(Endpoint("userinfo_endpoint", "/userinfo", ("GET", "POST"), userinfo, is_cross_origin=True),),
)
