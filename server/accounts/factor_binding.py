"""What follows when a person has bound a further factor, of whatever kind."""

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import factor_mails, sessions
from server.events.context import Context


def bound(
    db: Connection,
    sealer: Sealer,
    user_id: str,
    factor: str,
    *,
    context: Context,
    now: int,
    except_session_id: str | None,
) -> None:
    """Tell the person by mail, and end their other sign-ins: one with the password alone must show the new factor.

    `factor` is its name; `except_session_id` is the session in which it was bound, None where there is none.
    NIST SP 800-63B-4 section 4.1.2 demands the notice.
    """
    factor_mails.added(db, sealer, user_id, factor, context=context, now=now)
    sessions.end_all(db, user_id, context=context, now=now, except_id=except_session_id)
