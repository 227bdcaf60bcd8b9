"""`ostiary mail`: the mails that wait, and whether mail works."""

import asyncio
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from keys.sealing import Sealer, SealError
from server.accounts import identifiers
from server.cli.running import Json, loaded, moment, now, print_record, print_rows, refuse, sealer, transact
from server.mail.outbox import ID_PREFIX, TOPIC, Mail, unseal
from server.mail.outgoing import MailError
from server.mail.rendering import MailRenderer
from server.mail.transport import transport_for
from server.storage import outbox
from server.storage.outbox import Item
from server.tokens import opaque

app = typer.Typer(help="The mails that wait to be sent.", no_args_is_help=True)
COLUMNS = ("id", "template", "to", "state", "tries", "last_error", "next_try")


@app.command("list")
def list_mails(*, as_json: Json = False) -> None:
    """List the mails that wait, the oldest first. Sent mails are not kept."""
    settings = loaded().settings
    root = sealer(settings)
    rows = [_row(root, item) for item in transact(lambda db: outbox.list_items(db, TOPIC), settings)]
    print_rows(rows, COLUMNS, as_json=as_json)


def _row(root: Sealer, item: Item) -> dict[str, Any]:
    try:
        mail = unseal(root, item)
        template, to, error = mail.template, mask(mail.to), item.last_error
    except SealError as problem:
        template, to, error = None, None, item.last_error or str(problem)
    return {
        "id": item.id,
        "template": template,
        "to": to,
        "state": _state(item),
        "tries": item.tries,
        "last_error": error,
        "next_try": moment(item.next_try_at),
        "next_try_at": item.next_try_at,
        "created_at": item.created_at,
    }


def _state(item: Item) -> str:
    if item.last_error is not None:
        return "failing"
    return "being sent" if item.tries else "waiting"


def mask(address: str) -> str:
    """Return enough of an address to recognise it."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"


@app.command()
def retry(
    mail_id: Annotated[str | None, typer.Argument(help="Only this mail.", metavar="[ID]")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Try failing mails again at once instead of at their time. A running server sends them."""
    at = now()

    def work(db: Connection) -> int:
        return outbox.hasten(db, TOPIC, now=at, item_id=mail_id)

    count = transact(work)
    if mail_id is not None and not count:
        refuse(f"there is no failing mail {mail_id}: `ostiary mail list` shows them")
    print_record({"tried_again": count}, as_json=as_json)


@app.command("test")
def send_test(
    address: Annotated[str, typer.Argument(help="Where to send it.", metavar="ADDRESS")], *, as_json: Json = False
) -> None:
    """Send a test mail now, past the outbox, and say where it went or why not."""
    settings = loaded().settings
    try:
        recipient = identifiers.clean_email(address)
    except identifiers.InvalidIdentifierError as error:
        refuse(f"{address} is no e-mail address: {error}")
    transport = transport_for(settings)
    mail = Mail(recipient, "test", None)
    outgoing = MailRenderer(settings).render(mail, mail_id=opaque.new_identifier(ID_PREFIX), created_at=now())
    try:
        asyncio.run(transport.send(outgoing))
    except MailError as error:
        mend = "check OSTIARY_SMTP_URL and OSTIARY_MAIL_FROM" if settings.smtp_url else "check OSTIARY_DATA_DIR"
        refuse(f"{error}: {mend}")
    print_record({"to": recipient, "from": outgoing.sender, "handed_to": transport.destination}, as_json=as_json)
