"""Protocol errors: the codes that Authlib lacks, with fixed ASCII texts that never echo what a client sent.

A protocol error is an answer, not a failure: its transaction commits. RFC 6749 section 5.2 limits the characters of a
description; Authlib raises ValueError for others, so texts here are constants.
"""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)

__all__ = [
    "AccessDeniedError",
    "AccountSelectionRequiredError",
    "BearerError",
    "ConsentRequiredError",
    "InteractionRequiredError",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidScopeError",
    "LoginRequiredError",
    "OAuth2Error",
    "RegistrationNotSupportedError",
    "RequestNotSupportedError",
    "RequestURINotSupportedError",
    "TooManyRequestsError",
    "UnauthorizedClientError",
    "UnmetAuthenticationRequirementsError",
    "UnprovenRequestError",
    "UnsupportedGrantTypeError",
    "UnsupportedResponseTypeError",
]


class UnprovenRequestError(Exception):
    """The client or its redirect URI is not proven, so the answer is our own page (RFC 9700 section 4.11.2)."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


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
    """Too many failed guesses; the code of RFC 6749 section 4.1.2.1 with the status of RFC 6585 section 4."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many failed attempts, try again later")
        self.retry_after = retry_after

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the seconds to wait."""
        return [*super().get_headers(), ("Retry-After", str(self.retry_after))]


class BearerError(OAuth2Error):
    """A refusal at a protected resource: RFC 6750 section 3, the error also in WWW-Authenticate."""

    def __init__(self, error: str = "", description: str = "", *, status: int = 401, scope: str = "") -> None:
        super().__init__(description or None, status_code=status, error=error or "invalid_token")
        self._names_error = bool(error)
        self._scope = scope

    def get_headers(self) -> list[tuple[str, Any]]:
        """Challenge for a Bearer token; without credentials no error code is named (RFC 6750 section 3.1)."""
        parts = ['Bearer realm="ostiary"']
        if self._names_error:
            parts.append(f'error="{self.error}"')
            parts += [f'error_description="{self.description}"'] if self.description else []
        if self._scope:
            parts.append(f'scope="{self._scope}"')
        return [*super().get_headers(), ("WWW-Authenticate", ", ".join(parts))]
