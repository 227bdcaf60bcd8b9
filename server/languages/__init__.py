"""The languages of pages and mails: marking texts, choosing a language, saying a text in it.

Texts are English in the code; a catalogue (`catalogues/de.po`) says them in another language. What belongs to
protocols, such as `error_description`, stays English: RFC 6749 section 5.2 allows it no other characters.
"""

from server.languages.language import Language, Languages
from server.languages.message import Message

__all__ = ["Language", "Languages", "Message"]
