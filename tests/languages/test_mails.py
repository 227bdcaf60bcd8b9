"""Every mail in the person's language."""

from functools import cache

import pytest
from babel.messages import Message

from scripts.catalogues import extract, forms
from tests.mail.test_rendering import VALUES, _bodies, _received, _render


@cache
def _messages() -> tuple[Message, ...]:
    return tuple(extract())


def _english_of(name: str) -> list[str]:
    """Return the beginnings of a mail's English texts, as far as no value stands in them."""
    places = {f"templates/mail/{name}.txt", "templates/mail/base.txt"}
    found = [
        forms(message.id)[0].partition("%")[0].strip()
        for message in _messages()
        if places & {place for place, _ in message.locations}
    ]
    return [text for text in found if len(text) > 8]


@pytest.mark.parametrize("name", VALUES)
def test_a_german_mail_is_german_throughout(name: str) -> None:
    mail = _render(name, language="de")
    text, html = _bodies(mail)
    assert _received(mail)["Content-Language"] == "de"
    assert text.startswith("Hallo")
    assert '<html lang="de" dir="ltr">' in html
    english = _english_of(name)
    assert english
    assert [one for one in english if one in text or one in html] == []
    assert _received(mail)["Subject"] != _received(_render(name, language="en"))["Subject"]


@pytest.mark.parametrize(("left", "said"), [(1, "noch 1 Notfallcode."), (2, "noch 2 Notfallcodes.")])
def test_a_german_mail_counts_in_german(left: int, said: str) -> None:
    text, _ = _bodies(_render("recovery_code_used", {**VALUES["recovery_code_used"], "left": left}, language="de"))
    assert said in text
