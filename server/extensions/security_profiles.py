"""Security profiles of single clients: FAPI 2.0, FAPI 1.0 Advanced, the authorization of the Model Context Protocol.

What a client with the policy `security_profile` sends is refused where it is weaker than the profile, whatever else
its metadata says. How it authenticates, which algorithms sign, how long codes live and whether refresh tokens rotate is
read from the same values in `clients.security_profile` by those who do it.
"""

from clients.client import Client
from clients.response_types import words_of
from clients.security_profile import is_permitted_redirect
from server.protocol.authorization_request import Draft
from server.protocol.errors import DpopError, InvalidRequestError, InvalidTargetError, UnauthorizedClientError
from server.protocol.extension import Extension
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.protocol.token_issue import TokenRequest

SIGNED = ".jwt"


def check_source(draft: Draft, _parameters: Parameters, client: Client, _services: Services) -> None:
    """Refuse a request that did not come as the profile demands: from the client itself, or signed by it."""
    profile = client.security_profile
    if profile.must_push and not draft.is_pushed:
        # FAPI 2.0 Security Profile section 5.3.2.2
        raise InvalidRequestError("The authorization request must be pushed")
    if profile.must_sign_or_push and not (draft.is_signed or draft.is_pushed):
        # FAPI 1.0 Part 2 section 5.2.2
        raise InvalidRequestError("The authorization request must be signed or pushed")
    if profile.must_name_redirect_uri and not draft.values.get("has_redirect_uri", True):
        raise InvalidRequestError("The redirect_uri is missing")
    if not is_permitted_redirect(str(draft.redirect_uri), profile):
        raise InvalidRequestError("The redirect_uri must be https")


def check_protection(draft: Draft, _parameters: Parameters, client: Client, _services: Services) -> None:
    """Refuse a request whose answer would be weaker than the profile allows: type, PKCE, signed answer."""
    profile, response_type = client.security_profile, str(draft.values["response_type"])
    if profile.response_types is not None and response_type not in profile.response_types:
        raise UnauthorizedClientError("The security profile of the client does not allow this response_type")
    is_pkce_due = profile.must_use_pkce or (profile.must_sign_or_push and draft.is_pushed)
    if is_pkce_due and "code" in words_of(response_type) and draft.values.get("code_challenge") is None:
        # FAPI 1.0 Part 2 section 5.2.2 asks for it where requests are pushed
        raise InvalidRequestError("A code_challenge is required")
    is_signed = draft.response_mode.endswith(SIGNED)
    if profile.must_sign_answer and not is_signed and "id_token" not in words_of(response_type):
        raise InvalidRequestError("The response_type must be code id_token, or the response_mode jwt")
    if profile.must_push and client.authorization_signed_response_alg is not None and not is_signed:
        # FAPI 2.0 Message Signing section 5.4.1: who registers for signed answers takes no others
        raise InvalidRequestError("The response_mode must be jwt")


def check_authorization_request(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Check an authorization request against the client's profile."""
    check_source(draft, parameters, client, services)
    check_protection(draft, parameters, client, services)


def check_resource(_draft: Draft, parameters: Parameters, client: Client, _services: Services) -> None:
    """Refuse a request that does not say which resource it is for (MCP authorization, Resource Parameter)."""
    if client.security_profile.must_name_resource and not any(parameters.lists.get("resource", ())):
        raise InvalidTargetError("The resource is missing")


def check_token_request(request: TokenRequest) -> None:
    """Refuse a token request of a weaker grant, and one whose tokens would be bound to nobody."""
    profile = request.client.security_profile
    grant_type = request.parameters.get("grant_type")
    if profile.grant_types is not None and grant_type not in profile.grant_types:
        raise UnauthorizedClientError("The security profile of the client does not allow this grant_type")
    if not profile.confirmations or profile.confirmations & request.confirmation.keys():
        return
    # FAPI 2.0 Security Profile section 5.3.2.1: no Bearer tokens
    if "jkt" in profile.confirmations:
        raise DpopError("invalid_dpop_proof", "The tokens must be bound: send a DPoP proof or show a certificate")
    raise InvalidRequestError("The tokens must be bound: show a certificate in TLS")


SECURITY_PROFILES = Extension(
    name="security_profiles",
    title="FAPI 2.0 Security Profile and Message Signing, FAPI 1.0 Advanced, MCP authorization",
    specification="https://openid.net/specs/fapi-security-profile-2_0-final.html",
    authorization_check=check_authorization_request,
    details_check=check_resource,
    token_check=check_token_request,
)
