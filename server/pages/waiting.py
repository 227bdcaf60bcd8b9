"""How long to wait, in words: seconds while they are few, then minutes, rounded up."""

from server.languages import Message
from server.languages import Message as _

MINUTE = 60
_LONGEST_IN_SECONDS = 90


def wait(seconds: int) -> Message:
    """Return the sentence that asks for patience."""
    if seconds <= _LONGEST_IN_SECONDS:
        return _.plural("Wait %(n)s second and try again.", "Wait %(n)s seconds and try again.", n=seconds)
    return _.plural("Wait %(n)s minute and try again.", "Wait %(n)s minutes and try again.", n=-(-seconds // MINUTE))


def too_many_attempts(seconds: int) -> Message:
    """Return what a form says that was sent too often."""
    return _("Too many attempts. %(wait)s", wait=wait(seconds))
