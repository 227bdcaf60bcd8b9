"""Protocol errors: the codes that Authlib lacks, with fixed ASCII texts that never echo what a client sent.

A protocol error is an answer, not a failure: its transaction commits. RFC 6749 section 5.2 limits the characters of a
description; Authlib raises ValueError for others, so texts here are constants.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)

from clients.authentication import AuthenticationProblem

__all__ = [
    "AccessDeniedError",
    "AccountSelectionRequiredError",
    "AuthorizationPendingError",
    "BearerError",
    "ClientRefusedError",
    "ConsentRequiredError",
    "DpopError",
    "ExpiredTokenError",
    "InteractionRequiredError",
    "InvalidAuthorizationDetailsError",
    "InvalidBindingMessageError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidRequestObjectError",
    "InvalidRequestURIError",
    "InvalidScopeError",
    "InvalidTargetError",
    "LoginRequiredError",
    "OAuth2Error",
    "RegistrationNotSupportedError",
    "RequestNotSupportedError",
    "RequestURINotSupportedError",
    "SlowDownError",
    "TooManyRequestsError",
    "UnauthorizedClientError",
    "UnknownUserIdError",
    "UnmetAuthenticationRequirementsError",
    "UnprovenRequestError",
    "UnsupportedGrantTypeError",
    "UnsupportedResponseTypeError",
    "because",
]


def because(error: OAuth2Error, cause: str) -> OAuth2Error:
    """Return an error with its cause, which is for the log alone and holds no secret."""
    error.add_note(cause)
    return error


class UnprovenRequestError(Exception):
    """The client or its redirect URI is not proven, so the answer is our own page (RFC 9700 section 4.11.2).

    `message` is for the person, `description` for the client where it asks directly (RFC 9126 section 2.3).
    """

    def __init__(self, error: str, message: str, *, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.message = message
        self.description = description


class ClientRefusedError(OAuth2Error):
    """Client authentication failed: RFC 6749 section 5.2."""

    def __init__(self, problem: AuthenticationProblem) -> None:
        super().__init__(problem.description, status_code=problem.status, error=problem.error)
        self.cause, self.method = problem.cause, problem.method
        self._used_basic = problem.used_basic

    def get_headers(self) -> list[tuple[str, str]]:
        """Challenge where Basic was tried, and with every 401 (RFC 9110 section 15.5.2)."""
        is_challenged = self._used_basic or self.status_code == HTTPStatus.UNAUTHORIZED
        challenge = [("WWW-Authenticate", 'Basic realm="ostiary", charset="UTF-8"')] if is_challenged else []
        return [*super().get_headers(), *challenge]


class UnsupportedResponseTypeError(OAuth2Error):
    """RFC 6749 section 4.1.2.1; Authlib's own puts the client's input into the text."""

    error = "unsupported_response_type"


class UnsupportedGrantTypeError(OAuth2Error):
    """RFC 6749 section 5.2; Authlib's own puts the client's input into the text."""

    error = "unsupported_grant_type"


class LoginRequiredError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "login_required"


class InteractionRequiredError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "interaction_required"


class ConsentRequiredError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "consent_required"


class AccountSelectionRequiredError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "account_selection_required"


class InvalidTargetError(OAuth2Error):
    """RFC 8707 section 2: a resource that is unknown, malformed or not for this client."""

    error = "invalid_target"


class InvalidAuthorizationDetailsError(OAuth2Error):
    """RFC 9396 section 5."""

    error = "invalid_authorization_details"


class AuthorizationPendingError(OAuth2Error):
    """RFC 8628 section 3.5: the person has not decided yet."""

    error = "authorization_pending"


class SlowDownError(OAuth2Error):
    """RFC 8628 section 3.5: the client asks too often."""

    error = "slow_down"


class ExpiredTokenError(OAuth2Error):
    """RFC 8628 section 3.5: the person did not decide in time."""

    error = "expired_token"


class UnknownUserIdError(OAuth2Error):
    """CIBA section 13: the hint leads to nobody here."""

    error = "unknown_user_id"


class InvalidBindingMessageError(OAuth2Error):
    """CIBA section 13: the binding message cannot be shown."""

    error = "invalid_binding_message"


class InvalidRequestURIError(OAuth2Error):
    """RFC 9101 section 7."""

    error = "invalid_request_uri"


class InvalidRequestObjectError(OAuth2Error):
    """RFC 9101 section 7."""

    error = "invalid_request_object"


class RequestNotSupportedError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "request_not_supported"


class RequestURINotSupportedError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "request_uri_not_supported"


class RegistrationNotSupportedError(OAuth2Error):
    """OpenID Connect Core section 3.1.2.6."""

    error = "registration_not_supported"


class UnmetAuthenticationRequirementsError(OAuth2Error):
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""

    error = "unmet_authentication_requirements"


class TooManyRequestsError(OAuth2Error):
    """Too many guesses or requests; the code of RFC 6749 section 4.1.2.1 with the status of RFC 6585 section 4."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, retry_after: int, description: str = "Too many failed attempts, try again later") -> None:
        super().__init__(description)
        self.retry_after = retry_after

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the seconds to wait."""
        return [*super().get_headers(), ("Retry-After", str(self.retry_after))]


class DpopError(OAuth2Error):
    """RFC 9449 sections 5 and 8: `invalid_dpop_proof` or `use_dpop_nonce`, with the nonce to use in a header."""

    def __init__(self, error: str, description: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(description, error=error)
        self._headers = headers

    def get_headers(self) -> list[tuple[str, Any]]:
        """Hand out a nonce, where one is needed."""
        return [*super().get_headers(), *self._headers.items()]


class BearerError(OAuth2Error):
    """A refusal at a protected resource: RFC 6750 section 3, RFC 9449 section 7.1, the error in WWW-Authenticate.

    `challenge` are further parameters of the challenge, such as those of RFC 9470 section 3.
    """

    def __init__(
        self,
        error: str = "",
        description: str = "",
        *,
        status: int = 401,
        scope: str = "",
        scheme: str = 'Bearer realm="ostiary"',
        other_scheme: str = "",
        challenge: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(description or None, status_code=status, error=error or "invalid_token")
        self._names_error = bool(error)
        self._scheme, self._other_scheme = scheme, other_scheme
        self._challenge = {**challenge, **({"scope": scope} if scope else {})}
        self._headers = headers

    @property
    def challenges(self) -> str:
        """The challenge; without credentials no error code is named (RFC 6750 section 3.1)."""
        parts = [self._scheme]
        if self._names_error:
            parts.append(f'error="{self.error}"')
            parts += [f'error_description="{self.description}"'] if self.description else []
        parts += [f'{name}="{value}"' for name, value in self._challenge.items()]
        return ", ".join((*parts, self._other_scheme) if self._other_scheme else parts)

    @property
    def extra_headers(self) -> Mapping[str, str]:
        """Headers beside the challenge."""
        return self._headers

    def get_headers(self) -> list[tuple[str, Any]]:
        """Return the challenge and the headers beside it."""
        return [*super().get_headers(), ("WWW-Authenticate", self.challenges), *self._headers.items()]
