"""`ostiary token`: what a token means, for whoever helps people."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from server.cli import token_jwt, token_opaque
from server.cli.running import Json, loaded, now, print_json, print_record, refuse, sealer, transact
from server.cli.token_report import UnknownTokenError, finish
from server.tokens.access_token import unverified_looks_like_jwt

app = typer.Typer(help="Tokens that this server gave.", no_args_is_help=True)
STANDARD_INPUT = "-"
MAX_CHARACTERS = 65_536
ENCRYPTED_SEGMENTS = 5
SCHEMES = ("bearer ", "dpop ")


@app.callback()
def _noun() -> None:
    """Tokens that this server gave."""


@app.command()
def inspect(
    token: Annotated[
        str,
        typer.Argument(
            help="The token; better left out: what stands here stays in the shell's history and is seen by other users "
            "of the machine. Without it the token is asked for, or read from standard input.",
            metavar="[TOKEN]",
            show_default=False,
        ),
    ] = STANDARD_INPUT,
    *,
    as_json: Json = False,
) -> None:
    """Say what a token is and whether it is still good: any token, code, secret or link of this server.

    Nothing is used up or changed, and the token is not printed. Exit code 1: it is no token of this server.
    """
    text = _clean(_asked() if token == STANDARD_INPUT else token)
    settings, at = loaded().settings, now()
    root = sealer(settings)

    def work(db: Connection) -> dict[str, Any]:
        if unverified_looks_like_jwt(text):
            report = token_jwt.read(db, root, settings.issuer, text)
        else:
            report = token_opaque.read(db, text, at)
        report.check_end(at)
        return finish(db, report, at)

    try:
        found = transact(work, settings)
    except UnknownTokenError as problem:
        refuse(f"this is no token of {settings.issuer}: {problem}")
    if as_json:
        print_json(found)
    else:
        print_record(_in_lines(found), as_json=False)


def _asked() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True))
    return sys.stdin.read(MAX_CHARACTERS + 1)


def _clean(given: str) -> str:
    """Return the token without what copying brings along."""
    text = given.strip().strip("\"'")
    scheme = next((word for word in SCHEMES if text.lower().startswith(word)), "")
    text = text[len(scheme) :].strip()
    if not text or len(text) > MAX_CHARACTERS or not text.isascii() or len(text.split()) > 1:
        refuse("give one token on standard input, such as `ostiary token inspect < file`")
    if text.count(".") == ENCRYPTED_SEGMENTS - 1:
        refuse("this is encrypted to a client, and only that client can read it: ask for what it decrypts to")
    return text


def _in_lines(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the findings a line each: what is nested by the names of both, machine times left out."""
    lines: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            lines |= {f"{name}.{inner}": part for inner, part in value.items()}
        elif not name.endswith("_at"):
            lines[name] = value
    return lines
