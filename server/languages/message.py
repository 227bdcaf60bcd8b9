"""A text for people that can still be said in their language."""

from typing import Any, Self


class Message(str):
    """English text that knows its template and values, so that `Language.say` can find the translation.

    Placeholders are written `%(name)s`. Anything that is added to it makes it a plain, English `str`.
    """

    __slots__ = ("number", "plural_template", "template", "values")

    template: str
    plural_template: str | None
    """The template for all numbers but one; None: the text counts nothing."""
    number: int
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Self:
        """Return the text with its values filled in."""
        self = super().__new__(cls, template % values if values else template)
        self.template = template
        self.plural_template = None
        self.number = 1
        self.values = values
        return self

    @classmethod
    def plural(cls, singular: str, plural: str, /, *, n: int, **values: Any) -> Self:
        """Return a text that counts: `Message.plural("Wait %(n)s second.", "Wait %(n)s seconds.", n=3)`."""
        self = cls(singular if n == 1 else plural, n=n, **values)
        self.template = singular
        self.plural_template = plural
        self.number = n
        return self
