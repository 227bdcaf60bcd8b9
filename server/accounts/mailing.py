"""How many mails strangers may have sent, to one mailbox and from one network; and the mail about a taken address.

Whoever asks is never told that a mail was not sent: it would tell who has an account.
"""

from sqlalchemy import Connection

from keys.sealing import Sealer
from server.accounts import throttling
from server.accounts.throttling import Kind, ThrottleKey
from server.accounts.user import User
from server.events.context import Context
from server.mail.outbox import Mail, enqueue
from server.settings import Settings


def mailbox_key(user_id: str) -> ThrottleKey:
    """Return the counter of mails to an account."""
    return ThrottleKey(Kind.MAILBOX, f"user:{user_id}")


def unknown_mailbox_key(email_normalized: str) -> ThrottleKey:
    """Return the counter of mails to an address that nobody has here: it counts alike."""
    return ThrottleKey(Kind.MAILBOX, f"email:{email_normalized}")


def asker_key(user_id: str) -> ThrottleKey:
    """Return the counter of mails to other addresses that a signed-in person asked for."""
    return ThrottleKey(Kind.MAILBOX, f"asker:{user_id}")


def network_key(context: Context) -> ThrottleKey:
    """Return the counter of mails that an address asked for."""
    return ThrottleKey(Kind.MAIL_SENDER, throttling.address_key(context.address).name)


def allow(db: Connection, mailbox: ThrottleKey, *, context: Context, now: int) -> bool:
    """Count a mail, and say whether it may be sent."""
    return throttling.reserve(db, (mailbox, network_key(context)), now) is None


def tell_holder(db: Connection, holder: User, *, sealer: Sealer, settings: Settings, now: int) -> None:
    """Tell the owner of an e-mail address that somebody wanted to use it, unless they were told often enough."""
    if not holder.is_active:
        return
    if settings.rate_limits and throttling.reserve(db, (mailbox_key(holder.id),), now) is not None:
        return
    mail = Mail(holder.email, "email_taken", holder.language, {"name": holder.name or ""})
    enqueue(db, sealer, mail, user_id=holder.id, now=now)
