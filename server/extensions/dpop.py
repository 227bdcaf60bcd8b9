"""Demonstrating proof of possession: RFC 9449. What a proof must be is in `protocol.dpop_proof`."""

import hmac
import re
from typing import Any

from clients.client import Client
from server.protocol import dpop_proof
from server.protocol.authorization_request import Draft
from server.protocol.dpop_proof import DpopProblem
from server.protocol.errors import DpopError, InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from server.protocol.extension import Extension
from server.protocol.request import HttpFacts, Parameters
from server.protocol.services import Services
from server.protocol.token_issue import Redemption, TokenIssue, TokenRequest
from server.storage import authorizations

NAME = "dpop"
CODE_KEY, REFRESH_KEY = "code", "refresh"
"""What is kept with an authorization: the key its code is bound to, and the key of its refresh tokens."""
THUMBPRINT = re.compile(r"[A-Za-z0-9\-_]{43}\Z")


def check_thumbprint(draft: Draft, parameters: Parameters, client: Client, _services: Services) -> None:
    """Keep the key that the code will be bound to (section 10)."""
    if client.dpop_bound_access_tokens and "token" in str(draft.values["response_type"]).split():
        # section 5.2: what the authorization endpoint gives out cannot be bound
        raise UnauthorizedClientError("The client must use DPoP, which this response_type cannot")
    thumbprint = parameters.get("dpop_jkt")
    if thumbprint is None:
        return
    if not THUMBPRINT.match(thumbprint):
        raise InvalidRequestError("The dpop_jkt is no SHA-256 thumbprint")
    draft.details[NAME] = {CODE_KEY: thumbprint}


def check_pushed(request: TokenRequest, parameters: dict[str, str]) -> None:
    """Take the proof of a pushed request for its `dpop_jkt` (section 10.1); the answer brings the next nonce."""
    request.headers.update(dpop_proof.nonce_headers(request.services, request.now))
    if not request.http.values(dpop_proof.HEADER):
        return
    thumbprint = _prove(request)
    if parameters.setdefault("dpop_jkt", thumbprint) != thumbprint:
        raise InvalidRequestError("The dpop_jkt is not the key of the DPoP proof")


def check_proof(request: TokenRequest) -> None:
    """Bind the tokens to the key that the proof proves (section 5)."""
    if not request.http.values(dpop_proof.HEADER):
        if request.client.dpop_bound_access_tokens:
            # section 5.2
            raise DpopError("invalid_dpop_proof", "The client must send a DPoP proof")
        return
    request.confirmation["jkt"] = _prove(request)
    request.token_type = "DPoP"


def _prove(request: TokenRequest) -> str:
    if request.db is None:
        raise RuntimeError("a proof needs the database")
    headers = dpop_proof.nonce_headers(request.services, request.now)
    # section 8.2: with whatever answer, so that the next proof has it already
    request.headers.update(headers)
    try:
        permitted = request.client.security_profile.algorithms
        return dpop_proof.check(request.db, request.services, request.http, now=request.now, algorithms=permitted).jkt
    except DpopProblem as problem:
        raise DpopError(problem.error, problem.description, headers) from None


def check_binding(request: TokenRequest, redemption: Redemption) -> None:
    """Refuse a code or refresh token that is bound to another key (sections 5 and 10)."""
    is_code = redemption.grant_type == "authorization_code"
    if not is_code and not redemption.client.is_public:
        return  # section 5: the refresh token of a confidential client is bound to the client
    expected = redemption.details.get(NAME, {}).get(CODE_KEY if is_code else REFRESH_KEY)
    proven = request.confirmation.get("jkt", "")
    if expected is not None and not hmac.compare_digest(proven.encode(), expected.encode()):
        raise InvalidGrantError("It is bound to a key that the DPoP proof does not prove")


def bind_refresh_token(issue: TokenIssue, body: dict[str, Any]) -> None:
    """Bind the refresh tokens of a public client to the key of its proof (section 5)."""
    proven = None if issue.request is None else issue.request.confirmation.get("jkt")
    kept = issue.authorization["details"].get(NAME, {})
    if proven is None or not issue.client.is_public or "refresh_token" not in body or REFRESH_KEY in kept:
        return
    authorizations.add_details(issue.db, issue.authorization["id"], {NAME: {**kept, REFRESH_KEY: proven}})


def has_proof(_parameters: Parameters, http: HttpFacts) -> bool:
    """Whether there is a proof, which is used up in the database."""
    return bool(http.values(dpop_proof.HEADER))


DPOP = Extension(
    name=NAME,
    title="RFC 9449 OAuth 2.0 Demonstrating Proof of Possession (DPoP)",
    specification="https://www.rfc-editor.org/rfc/rfc9449",
    metadata=lambda _services: {"dpop_signing_alg_values_supported": list(dpop_proof.ALGORITHMS)},
    authorization_check=check_thumbprint,
    push_step=check_pushed,
    token_check=check_proof,
    needs_database=has_proof,
    redemption_check=check_binding,
    response_step=bind_refresh_token,
)
