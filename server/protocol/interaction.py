"""One sign-in from the authorization request to its answer, as stored state from which the next step is derived.

No page decides what comes next: each changes the stored state or the session, and `next_step` alone says which page
is due. An empty form, a back button, a second tab or a stale form can therefore not skip a step.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

from sqlalchemy import Connection

from clients.client import Client
from server.accounts import consent, second_factor, trusted_browsers
from server.accounts.second_factor import FRESH_SECONDS, Factors
from server.accounts.sessions import Session
from server.accounts.user import User
from server.protocol.authorization_request import AuthorizationRequest
from server.protocol.errors import (
    AccountSelectionRequiredError,
    ConsentRequiredError,
    InteractionRequiredError,
    LoginRequiredError,
    OAuth2Error,
    UnmetAuthenticationRequirementsError,
)
from server.settings import Mfa, Settings
from server.storage import one_time, users
from server.tokens import opaque

KIND = "interaction"
PREFIX = "oin_"
MAX_CODE_TRIES = 5
AAL1, AAL2 = "aal1", "aal2"


class Step(Enum):
    """What is due."""

    SIGN_IN = "sign-in"
    REGISTER = "register"
    SELECT_ACCOUNT = "select-account"
    SECOND_FACTOR = "second-factor"
    ENROL_TOTP = "enrol-totp"
    OFFER_TOTP = "offer-totp"
    ENROL_PASSKEY = "enrol-passkey"
    CONSENT = "consent"
    DONE = "done"


ENROLMENTS = frozenset({Step.ENROL_TOTP, Step.OFFER_TOTP, Step.ENROL_PASSKEY})


@dataclass(slots=True)
class Interaction:
    """The stored state of one sign-in."""

    created_at: int
    request: AuthorizationRequest | None = None
    """The authorization request to answer; None where somebody signs in to one of our own pages."""
    continue_to: str | None = None
    browser: str | None = None
    """Digest of the browser's cookie; None until the first page binds it."""
    signed_in_at: int | None = None
    """When this interaction authenticated the person, None while it relies on an earlier sign-in."""
    signed_in_user_id: str | None = None
    """Whom it authenticated: somebody else may have signed in since then, in another tab."""
    is_account_chosen: bool = False
    is_registering: bool = False
    invitation: str | None = None
    """Digest of the invitation with which the person makes an account."""
    is_factor_settled: bool = False
    """Whether the offer of a second factor was taken or put off in this interaction."""
    consented_user_id: str | None = None
    """Who allowed this request on the consent page."""
    shown_to: str | None = None
    """Whose page was shown last: a form counts for nobody else who signed in meanwhile, in another tab."""
    pending_user_id: str | None = None
    """Who gave the right password and still owes the second factor."""
    pending_remember: bool = False
    pending_password_changed_at: int | None = None
    """When the password that was given had been set: another one since then ends the wait for the second factor."""
    code_tries: int = 0
    is_reauthenticating: bool = False
    """Whether the person asked to sign in as somebody else."""
    is_enrolling: bool = False
    """Whether the person came to set up a second factor."""
    is_passkey_chosen: bool = False
    """Whether the factor to set up is a passkey; an authenticator app otherwise."""
    is_factor_needed: bool = False
    """Whether one of our own pages needs a second factor from everybody who has one, trusted browser or not."""
    removing: str | None = None
    """The kind of factor that the person came to remove, which must not be the only one that they show."""
    fresh_seconds: int | None = None
    """How recent the sign-in must be for one of our own pages."""
    enrolment_secret: str | None = None
    """Sealed secret of a TOTP device that is being enrolled."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        stored = {name: getattr(self, name) for name in self.__slots__ if name != "request"}
        return {**stored, "request": None if self.request is None else self.request.to_json()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the state that `to_json` made."""
        request = stored["request"]
        return cls(**{**stored, "request": None if request is None else AuthorizationRequest.from_json(request)})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true now: the browser's session, its person, the client."""

    settings: Settings
    session: Session | None
    user: User | None
    client: Client | None
    factors: Factors = field(default_factory=Factors)
    policy: Mfa = Mfa.OPTIONAL
    """What the server, the person's roles and the client demand of the person."""
    is_browser_trusted: bool = False
    is_consent_covered: bool = False
    pending_owes_factor: bool = False
    subject: str | None = None
    """By which name the client knows the session's person."""
    now: int = 0


def gather(
    db: Connection,
    settings: Settings,
    interaction: Interaction,
    session: Session | None,
    user: User | None,
    client: Client | None,
    *,
    trusted_cookie: str | None = None,
    now: int | None = None,
    subject: str | None = None,
) -> Facts:
    """Read what `next_step` needs to know. `now` is for the trusted browser's cookie; no cookie, no trust."""
    request = interaction.request
    is_covered = False
    if user is not None and request is not None:
        is_covered = consent.is_covered(db, user.id, request.client_id, request.consent_scopes)
    now = interaction.created_at if now is None else now
    is_trusted = user is not None and trusted_browsers.is_trusted(db, trusted_cookie, user.id, now)
    return Facts(
        settings=settings,
        session=session,
        user=user,
        client=client,
        factors=Factors() if user is None else second_factor.factors_of(db, settings, user),
        policy=second_factor.policy_of(settings, user, client),
        is_browser_trusted=is_trusted,
        is_consent_covered=is_covered,
        pending_owes_factor=_pending_owes_factor(db, settings, interaction, client),
        subject=subject,
        now=now,
    )


def _pending_owes_factor(db: Connection, settings: Settings, interaction: Interaction, client: Client | None) -> bool:
    pending = None
    if interaction.pending_user_id is not None:
        pending = users.find_by_id(db, interaction.pending_user_id)
    return pending is not None and owes_factor(db, settings, pending, client)


def owes_factor(
    db: Connection,
    settings: Settings,
    user: User,
    client: Client | None,
    *,
    trusted_cookie: str | None = None,
    now: int = 0,
) -> bool:
    """Whether somebody whose password was right must show a second factor before the session begins."""
    if second_factor.policy_of(settings, user, client) is Mfa.OFF:
        return False
    if not second_factor.factors_of(db, settings, user).has_any:
        return False
    return not trusted_browsers.is_trusted(db, trusted_cookie, user.id, now)


def next_step(state: Interaction, facts: Facts) -> Step:
    """Return what is due. Raises a protocol error where what the client demands cannot be reached."""
    if state.pending_user_id is not None and facts.pending_owes_factor:
        return Step.SECOND_FACTOR
    if facts.session is None or facts.user is None or _must_authenticate(state, facts.session, facts.subject):
        return Step.REGISTER if state.is_registering else Step.SIGN_IN
    if state.request is not None and "select_account" in state.request.prompt and not state.is_account_chosen:
        return Step.SELECT_ACCOUNT
    factor = _factor_step(state, facts)
    if factor in ENROLMENTS and not _is_fresh(state, facts.session, facts.now):
        # Whoever finds a browser signed in must not bind a factor of their own (NIST SP 800-63B-4 section 4.1.2).
        return Step.SIGN_IN
    if factor is not None:
        return factor
    if state.request is not None and _needs_consent(state, facts):
        return Step.CONSENT
    return Step.DONE


def _must_authenticate(state: Interaction, session: Session, subject: str | None) -> bool:
    request = state.request
    expected = None if request is None else request.expected_subjects
    is_other = expected is not None and subject not in expected
    if state.signed_in_at is not None and session.authenticated_at >= state.signed_in_at:
        if is_other:
            # OpenID Connect Core section 3.1.2.1: the hint names who the answer must be about
            raise LoginRequiredError("Another person than the expected one has signed in")
        return False  # this interaction has just done it
    if is_other:
        return True
    if state.removing is not None and not second_factor.is_fresh(session, state.created_at, removing=state.removing):
        return True
    if state.is_reauthenticating or (request is not None and request.prompt & {"login", "create"}):
        return True
    max_age = state.fresh_seconds if request is None else request.max_age
    if max_age is None:
        return False
    # OpenID Connect Core section 3.1.2.1: max_age=0 is the same as prompt=login
    return max_age == 0 or state.created_at - session.authenticated_at > max_age


def _is_fresh(state: Interaction, session: Session, now: int) -> bool:
    if state.signed_in_user_id == session.user_id:
        return True  # and takes their time with the page
    is_older = session.authenticated_at <= state.created_at
    return (state.created_at if is_older else now) - session.authenticated_at <= FRESH_SECONDS


def _factor_step(state: Interaction, facts: Facts) -> Step | None:
    is_proven = _is_proven(facts)
    if state.is_factor_needed and facts.factors.has_any and not is_proven:
        return Step.SECOND_FACTOR
    is_strong = facts.session is not None and facts.session.acr == AAL2
    if facts.policy is Mfa.OFF:
        if _is_unmet(state.request, facts.session):
            raise UnmetAuthenticationRequirementsError("The requested authentication strength is not available")
        return None
    if state.is_enrolling and not state.is_factor_settled:
        # Whoever has a factor shows it before another one is added (NIST SP 800-63B-4 section 4.1.2).
        return Step.SECOND_FACTOR if facts.factors.has_any and not is_proven else _enrolment(state, Step.OFFER_TOTP)
    if is_strong:
        return None
    if demands_second_factor(state.request) and not _is_good_enough(state.request, facts.session):
        # Neither a trusted browser nor a code by e-mail is aal2.
        return Step.SECOND_FACTOR if facts.factors.is_strong else _enrolment(state, Step.ENROL_TOTP)
    if facts.policy is Mfa.REQUIRED:
        if not facts.factors.has_any:
            return _enrolment(state, Step.ENROL_TOTP)
        return None if facts.is_browser_trusted or _has_code(facts.session) else Step.SECOND_FACTOR
    is_offer_due = state.signed_in_at is not None and not state.is_factor_settled and not facts.factors.has_any
    was_put_off = facts.user is not None and facts.user.mfa_postponed_at is not None
    return _enrolment(state, Step.OFFER_TOTP) if is_offer_due and not was_put_off else None


def _enrolment(state: Interaction, otherwise: Step) -> Step:
    return Step.ENROL_PASSKEY if state.is_passkey_chosen else otherwise


def _has_code(session: Session | None) -> bool:
    """Whether the session had a code, were it one by e-mail."""
    return session is not None and "otp" in session.amr


def _is_proven(facts: Facts) -> bool:
    """Whether the session had the best kind of factor that the person has."""
    session = facts.session
    return session is not None and second_factor.is_proven(facts.factors, session.acr, session.amr)


def is_enrolment_forced(state: Interaction, facts: Facts) -> bool:
    """Whether the person cannot go on without a factor, so that there is nothing to put off."""
    return not state.is_enrolling and (demands_second_factor(state.request) or facts.policy is Mfa.REQUIRED)


def accepts_email_code(state: Interaction, factors: Factors) -> bool:
    """Whether a code by e-mail is of use to somebody with these factors, or a stronger one is wanted."""
    is_strong_wanted = state.is_factor_needed or state.is_enrolling or demands_second_factor(state.request)
    return factors.email and not (factors.is_strong and is_strong_wanted)


def fresh_sign_in(now: int, continue_to: str, *, removing: str | None = None) -> Interaction:
    """Return the sign-in that `second_factor.check_fresh` asks for, which leads back to one of our own pages."""
    return Interaction(
        created_at=now, continue_to=continue_to, fresh_seconds=FRESH_SECONDS, is_factor_needed=True, removing=removing
    )


def demands_second_factor(request: AuthorizationRequest | None) -> bool:
    """Whether the client asks for the strength that needs a second factor."""
    # acr_values are in order of preference (OpenID Connect Core section 3.1.2.1)
    known = [] if request is None else [value for value in request.acr_values if value in (AAL1, AAL2)]
    return bool(known) and known[0] == AAL2


def _is_acceptable(request: AuthorizationRequest, session: Session | None) -> bool:
    """Whether the strength of a sign-in is one of those that the client lists."""
    return session is not None and session.acr in request.acr_values


def _is_unmet(request: AuthorizationRequest | None, session: Session | None) -> bool:
    """Whether a sign-in has none of the strengths of which the client needs one (OpenID Connect Core 5.5.1.1)."""
    if request is None or not request.is_acr_essential:
        return False
    return demands_second_factor(request) and not _is_acceptable(request, session)


def _is_good_enough(request: AuthorizationRequest | None, session: Session | None) -> bool:
    """Whether a sign-in that the client accepts will do, though it likes another better: nobody can be asked."""
    return request is not None and "none" in request.prompt and _is_acceptable(request, session)


def _needs_consent(state: Interaction, facts: Facts) -> bool:
    if state.request is None or facts.client is None or facts.user is None:
        return False
    if state.consented_user_id == facts.user.id:
        return False
    if "consent" in state.request.prompt or must_always_ask(facts.client):
        return True
    return not (facts.is_consent_covered or facts.client.skip_consent)


def must_always_ask(client: Client) -> bool:
    """Whether consent is never assumed: nobody can prove which native app asks (RFC 8252 section 8.6).

    Nor does anybody vouch for a client that registered itself (RFC 7591 section 5).
    """
    return client.is_unverified or (client.is_public and client.metadata.get("application_type") == "native")


def error_without_interaction(step: Step) -> OAuth2Error:
    """Return what `prompt=none` is told when a page would be due (OpenID Connect Core section 3.1.2.6)."""
    if step in (Step.SIGN_IN, Step.REGISTER):
        return LoginRequiredError("The person is not signed in, or must sign in again")
    if step is Step.CONSENT:
        return ConsentRequiredError("The person has not consented")
    if step is Step.SELECT_ACCOUNT:
        return AccountSelectionRequiredError("The person must choose an account")
    return InteractionRequiredError("The person must complete a step on a page")


def begin(db: Connection, state: Interaction, *, now: int, seconds: int) -> str:
    """Store a new interaction and return its id, which is part of its pages' URLs."""
    interaction_id = opaque.mint(PREFIX)
    client_id = None if state.request is None else state.request.client_id
    one_time.add(
        db,
        KIND,
        opaque.digest(KIND, interaction_id),
        state.to_json(),
        now=now,
        expires_at=now + seconds,
        client_id=client_id,
    )
    return interaction_id


def find(db: Connection, interaction_id: str, now: int) -> Interaction | None:
    """Return the state of an interaction that can still go on."""
    row = one_time.find_live(db, KIND, opaque.digest(KIND, interaction_id), now)
    return None if row is None else Interaction.from_json(row["payload"])


def save(db: Connection, interaction_id: str, state: Interaction, now: int) -> bool:
    """Store the changed state, and say whether the interaction was still open."""
    digest = opaque.digest(KIND, interaction_id)
    return one_time.replace_payload(db, KIND, digest, state.to_json(), user_id=state.pending_user_id, now=now)


def finish(db: Connection, interaction_id: str, now: int) -> bool:
    """Close the interaction; True for exactly one caller."""
    return one_time.consume(db, KIND, opaque.digest(KIND, interaction_id), now) is not None
