"""Refusals of the JSON API: `{"detail": "..."}` with the status given, and what is wrong with which member."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NOT_AUTHENTICATED = "Not authenticated"
INVALID_TOKEN = "Invalid token"
REALM = 'Bearer realm="ostiary"'


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one member of the body, in words for people."""

    member: str
    message: str


@dataclass(slots=True, eq=False)
class ApiError(Exception):
    """A refusal. `detail` is a stable English text; `problems` are in the person's language."""

    status: int
    detail: str
    problems: Sequence[Problem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def unauthorized(detail: str, *, error: str = "") -> ApiError:
    """Return a 401 with the challenge that belongs to it (RFC 9110 section 15.5.2, RFC 6750 section 3)."""
    challenge = f'{REALM}, error="{error}"' if error else REALM
    return ApiError(401, detail, headers={"www-authenticate": challenge})


def throttled(seconds: int) -> ApiError:
    """Return the answer to somebody who must wait."""
    return ApiError(429, "Too many attempts, try again later", headers={"retry-after": str(seconds)})


def invalid(*problems: Problem) -> ApiError:
    """Return the refusal of a body whose members cannot be used."""
    return ApiError(422, " ".join(problem.message for problem in problems), problems)


def step_up(*, max_age: int | None = None, acr: str | None = None) -> ApiError:
    """Ask for a fresh or stronger sign-in: RFC 9470 section 3."""
    challenge = f'{REALM}, error="insufficient_user_authentication"'
    challenge += "" if max_age is None else f', max_age="{max_age}"'
    challenge += "" if acr is None else f', acr_values="{acr}"'
    detail = "Sign in again first" if acr is None else "Sign in with your second factor first"
    return ApiError(403, detail, headers={"www-authenticate": challenge})
