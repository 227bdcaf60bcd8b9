"""Proof Key for Code Exchange: RFC 7636, as RFC 9700 section 2.1.1 demands it. S256 only."""

import base64
import hashlib
import hmac
import re

from clients.client import Client
from clients.response_types import words_of
from server.protocol.authorization_request import Draft
from server.protocol.errors import InvalidGrantError, InvalidRequestError
from server.protocol.extension import Extension
from server.protocol.request import Parameters
from server.protocol.services import Services
from server.protocol.token_issue import Redemption, TokenRequest
from server.settings import Pkce

# \Z, not $: a trailing newline is no part of a verifier (RFC 7636 section 4.1)
VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}\Z")
CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}\Z")


def is_required(client: Client, services: Services) -> bool:
    """Whether the client must use PKCE: always for public ones, else by its metadata, else by the server's policy."""
    if client.is_public:
        return True
    if client.require_pkce is not None:
        return client.require_pkce
    return services.settings.pkce is Pkce.ALWAYS


def check_challenge(draft: Draft, parameters: Parameters, client: Client, services: Services) -> None:
    """Refuse a missing, malformed or plain challenge (RFC 7636 section 4.4.1)."""
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if "code" not in words_of(draft.values["response_type"]):
        return  # nothing that a verifier could redeem
    if challenge is None:
        if method is not None or is_required(client, services):
            raise InvalidRequestError("A code_challenge is required")
        return
    if method != "S256":
        # RFC 7636 section 4.3: no method means plain, which RFC 9700 section 2.1.1 rules out
        raise InvalidRequestError("The code_challenge_method must be S256")
    if not CHALLENGE.match(challenge):
        raise InvalidRequestError("The code_challenge is malformed")
    draft.values["code_challenge"] = challenge


def check_verifier(request: TokenRequest, redemption: Redemption) -> None:
    """Refuse a redemption of a code without the right verifier (RFC 7636 section 4.6)."""
    if redemption.grant_type != "authorization_code":
        return
    verifier, challenge = request.parameters.get("code_verifier"), redemption.code_challenge
    if challenge is None:
        if verifier is not None:
            # RFC 9700 section 4.8.2: a verifier without a challenge is a downgrade
            raise InvalidGrantError("The authorization request had no code_challenge")
        return
    if verifier is None:
        raise InvalidGrantError("The code_verifier is missing")
    if not VERIFIER.match(verifier):
        raise InvalidGrantError("The code_verifier is malformed")
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
    if not hmac.compare_digest(digest, challenge):
        raise InvalidGrantError("The code_verifier does not match")


PKCE = Extension(
    name="pkce",
    title="RFC 7636 Proof Key for Code Exchange",
    specification="https://www.rfc-editor.org/rfc/rfc7636",
    metadata=lambda _services: {"code_challenge_methods_supported": ["S256"]},
    authorization_check=check_challenge,
    redemption_check=check_verifier,
)
