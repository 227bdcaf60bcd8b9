"""Names that the server gives by itself, and stores in English: each reader sees them in their own language."""

import re

from server.languages.message import Message
from server.languages.message import Message as _

_GIVEN = {str(name): name for name in (_("Authenticator app"), _("Passkey"), _("Security key"))}
_NUMBERED = re.compile(r"(.+) ([0-9]{1,3})", re.ASCII)


def in_words(name: str) -> str | Message:
    """Return a name as a Message if the server gave it, with or without a number; a person's own stays as it is."""
    if name in _GIVEN:
        return _GIVEN[name]
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None or numbered[1] not in _GIVEN:
        return name
    return _("%(name)s %(number)s", name=_GIVEN[numbered[1]], number=numbered[2])
