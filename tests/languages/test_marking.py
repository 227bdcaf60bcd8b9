"""No text for people stands in a template or in the code of the pages without a mark for translators."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt"))
CODE = sorted(
    [
        *(ROOT / "server" / "pages").rglob("*.py"),
        *(ROOT / "server" / "accounts").rglob("*.py"),
        ROOT / "server" / "errors.py",
        ROOT / "server" / "protocol" / "checks.py",
    ]
)
MARKS = frozenset({"_", "Message", "plural", "gettext", "ngettext", "pgettext"})
FOR_PEOPLE = frozenset(
    {"PageError", "InvalidIdentifierError", "PasskeyError", "FreshSignInNeededError", "UnprovenRequestError"}
)
"""Exceptions whose texts are shown; those of all others are for programs and operators."""
SHOWN_ATTRIBUTES = frozenset({"aria-label", "alt", "title", "placeholder"})
ALLOWED = frozenset(
    {
        # names of products
        "Windows Hello",
        "Chrome on Mac",
        "Google Password Manager",
        "Apple Passwords",
        "Samsung Pass",
        "Proton Pass",
        "Samsung Internet",
        # what browsers call themselves
        "Mac OS X",
        # names that are stored in English: server/languages/given_names.py says them in other languages
        "Authenticator app",
        "Security key",
        # for programs
        "User-agent: *\nDisallow: /\n",
        "The person denied access",
        "The person did not set up a second factor",
    }
)
_TRANSLATED = re.compile(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", re.DOTALL)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SILENT = re.compile(
    _TRANSLATED.pattern + r'|\{% block body_class %\}[\w ]*|(?<=[\s}])aria-\w+="[^"]*"(?=\{)', re.DOTALL
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_ENGLISH = re.compile(r"[A-Z].*[a-z].* \S", re.DOTALL)


class _Shown(HTMLParser):
    """Collects what a person can read and that stands in the template itself."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    @property
    def _is_left_out(self) -> bool:
        return any(is_left_out for _, is_left_out in self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_foreign = tag in ("script", "style") or (tag != "html" and ("lang", "en") in attrs)
        if tag not in ("input", "meta", "link", "br", "img"):
            self._open.append((tag, is_foreign))
        if not self._is_left_out:
            self.texts += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._is_left_out:
            self.texts.append(data)


def _texts_between_tags(source: str) -> list[str]:
    reader = _Shown()
    reader.feed(_JINJA.sub(" ", _SILENT.sub(" ", source)))
    reader.close()
    return [" ".join(text.split()) for text in reader.texts if _WORD.search(text)]


def _texts_in_expressions(source: str) -> Iterator[str]:
    tree = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(_TRANSLATED.sub("", source))
    marked = {
        id(constant)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in MARKS
        for constant in call.find_all(nodes.Const)
    }
    for constant in tree.find_all(nodes.Const):
        if id(constant) not in marked and isinstance(constant.value, str) and _ENGLISH.match(constant.value):
            yield constant.value


def _texts_in_code(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out.add(id(node.value))  # documentation
        is_marked = isinstance(node, ast.Call) and _name(node.func) in MARKS
        if isinstance(node, ast.keyword) and node.arg == "description":
            left_out.add(id(node.value))  # an `error_description`, for programs
        if is_marked or (isinstance(node, ast.Raise) and not _is_for_people(node)):
            left_out |= {id(inner) for inner in ast.walk(node)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in left_out)
    yield from (node.value for node in constants if isinstance(node.value, str) and _ENGLISH.match(node.value))


def _is_for_people(node: ast.Raise) -> bool:
    return isinstance(node.exc, ast.Call) and _name(node.exc.func) in FOR_PEOPLE


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", TEMPLATES, ids=_path)
def test_templates_have_no_unmarked_text(path: Path) -> None:
    source = path.read_text("utf-8")
    assert [*_texts_between_tags(source), *_texts_in_expressions(source)] == []


@pytest.mark.parametrize("path", CODE, ids=_path)
def test_code_of_pages_has_no_unmarked_text(path: Path) -> None:
    assert [text for text in _texts_in_code(path.read_text("utf-8")) if text not in ALLOWED] == []


@pytest.mark.parametrize(
    "template",
    [
        "<p>Hello</p>",
        '<input aria-label="Your code">',
        "{% if a %}<b>{{ _('Name') }} is missing</b>{% endif %}",
        "{{ ui.alert('This is wrong.') }}",
        "Dear {{ name }}",
    ],
)
def test_unmarked_text_in_a_template_is_found(template: str) -> None:
    assert [*_texts_between_tags(template), *_texts_in_expressions(template)]


@pytest.mark.parametrize(
    "template",
    [
        "<p>{{ _('Hello you') }}</p>",
        "{% trans %}Hello <b>{{ name }}</b>{% endtrans %}",
        '<p class="Some Class" id="x">{{ name }}: 3</p>',
        '<div lang="en"><p>Hello</p></div>',
        "<style>body { color: Red Green }</style>",
        "{% trans count=n %}{{ count }} day{% pluralize %}{{ count }} days{% endtrans %}",
    ],
)
def test_marked_text_in_a_template_is_let_through(template: str) -> None:
    assert not [*_texts_between_tags(template), *_texts_in_expressions(template)]


def test_unmarked_text_in_code_is_found_and_marked_text_is_not() -> None:
    source = '"""Doc string here."""\nA = "Hello you"\nB = _("Hello you there")\nraise PageError(400, "Not so good")\n'
    assert list(_texts_in_code(source + 'raise ValueError("Bad value here")\n')) == ["Hello you", "Not so good"]
