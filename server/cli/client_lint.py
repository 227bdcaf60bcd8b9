"""`ostiary client lint`: what is weak about the registered clients and the settings, and how to mend it."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import Connection

from clients.client import Client
from server.cli import references
from server.cli.client_findings import UNUSED, Facts, Finding, Severity, findings_of, findings_of_resource
from server.cli.running import Json, loaded, now, print_json, refuse, transact
from server.cli.setting_findings import findings_of_settings
from server.events.names import Event
from server.settings import Settings
from server.storage import audit, clients, resources

OF_SETTINGS = "settings"
"""What stands in the place of a client_id for a finding about the settings."""
ORDER = list(Severity)


def lint(
    client_id: Annotated[
        str | None, typer.Argument(help="Only this client; else all of them and the settings.", metavar="[CLIENT_ID]")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Say what is weak about clients and settings by RFC 9700, OAuth 2.1 and FAPI. Exit code 1 where one is an error.

    Each finding has a severity, the section that it comes from and the command that mends it.
    """
    settings, at = loaded().settings, now()
    findings = transact(lambda db: _findings(db, client_id, settings, at))
    if client_id is None:
        findings = [*findings_of_settings(settings), *findings]
    findings.sort(key=lambda finding: (ORDER.index(finding.severity), finding.client_id))
    if as_json:
        print_json([{**asdict(one), "client_id": one.client_id or None} for one in findings])
    else:
        _print(findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


def _findings(db: Connection, client_id: str | None, settings: Settings, at: int) -> list[Finding]:
    used = audit.clients_with(db, Event.CODE_ISSUED.value, since=at - UNUSED)
    known = references.known(db, settings)
    chosen = _all(db) if client_id is None else [_one(db, client_id)]
    findings = [
        finding
        for client in chosen
        for finding in findings_of(client, Facts(settings, at, client.client_id in used, known))
    ]
    listed = resources.list_resources(db).values() if client_id is None else ()
    return findings + [finding for resource in listed for finding in findings_of_resource(resource, known)]


def _all(db: Connection) -> Iterator[Client]:
    after = ""
    while page := clients.list_clients(db, after=after):
        for client in page:
            yield _one(db, client.client_id)  # with its secrets
        after = page[-1].client_id


def _one(db: Connection, client_id: str) -> Client:
    client = clients.find_client(db, client_id)
    if client is None:
        refuse(f"there is no client {client_id}: `ostiary client list` shows them")
    return client


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        where = finding.client_id or OF_SETTINGS
        sys.stdout.write(f"{finding.severity.value:8} {where}: {finding.problem} ({finding.section})\n")
        sys.stdout.write(f"         {finding.mend}\n")
    if not findings:
        sys.stdout.write("nothing found\n")
