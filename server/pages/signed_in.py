"""What every way of signing in ends with: a session, its cookie, the mark of a known browser."""

from sqlalchemy import Connection

from server.accounts import known_browser, sessions
from server.accounts.second_factor import FRESH_SECONDS
from server.accounts.sessions import Session
from server.accounts.user import User
from server.pages.interaction import Situation, save
from server.pages.visit import Visit, stale
from server.storage import users


def sign_in(
    db: Connection, visit: Visit, situation: Situation, user: User, amr: tuple[str, ...], *, remember: bool
) -> None:
    """Begin the person's session, or renew the one they have; the browser's old cookie is dead at once (C078)."""
    settings = visit.services.settings
    session, _ = visit.session(db)
    if session is not None and session.user_id == user.id and visit.session_cookie is not None:
        renewed = sessions.elevate(db, visit.session_cookie, amr=amr, now=visit.now)
        if renewed is None:
            raise stale()
    else:
        if session is not None:
            sessions.end(db, session.id, user_id=session.user_id, context=visit.context, now=visit.now)
        lifetime = sessions.Lifetime.of(settings, remember=remember)
        renewed = sessions.begin(db, user.id, amr=amr, lifetime=lifetime, context=visit.context, now=visit.now)
    visit.keep_session(renewed[1], session_id=renewed[0].id, max_age=_cookie_life(visit, renewed[0]))
    users.note_language(db, user.id, visit.language.tag)
    if known_browser.browser_of(visit.services.sealer, visit.known_cookie, user.id, visit.now) is None:
        visit.keep_known(known_browser.issue(visit.services.sealer, user.id, visit.now))
    state = situation.state
    state.signed_in_at = visit.now
    state.signed_in_user_id = user.id
    state.pending_user_id = None
    state.code_tries = 0
    state.is_reauthenticating = False
    save(db, visit, situation)


def step_up(db: Connection, visit: Visit, situation: Situation, amr: tuple[str, ...]) -> None:
    """Raise the strength of the session with another factor.

    The factor makes no old sign-in a new one: what the password proved long ago, it does not prove now.
    """
    session, cookie = situation.session, visit.session_cookie
    merged = sessions.combined_amr(session.amr, amr)
    is_recent = visit.now - session.authenticated_at <= FRESH_SECONDS
    since = visit.now if is_recent else session.authenticated_at
    elevated = cookie and sessions.elevate(db, cookie, amr=merged, now=visit.now, authenticated_at=since)
    if not elevated:
        raise stale()
    visit.keep_session(elevated[1], session_id=session.id, max_age=_cookie_life(visit, session))
    save(db, visit, situation)


def _cookie_life(visit: Visit, session: Session) -> int | None:
    """Return how long the browser keeps the cookie: until it closes, unless the person asked to be kept signed in."""
    is_kept = session.expires_at - session.created_at > visit.services.settings.session_absolute_seconds
    return session.expires_at - visit.now if is_kept else None
