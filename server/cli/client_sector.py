"""Looking a client's addresses up in its sector, before the command line stores its metadata."""

import asyncio
from collections.abc import Mapping
from typing import Any

from clients.metadata import InvalidClientMetadata
from server.cli.running import loaded, refuse
from server.outbound.fetcher import Fetcher
from server.outbound.sector_identifier import check_sector

LISTED_MEMBERS = frozenset({"sector_identifier_uri", "redirect_uris", "jwks_uri", "grant_types"})
"""What decides whether the document at the `sector_identifier_uri` still names all that it must."""


def check(metadata: Mapping[str, Any]) -> None:
    """Fetch what a `sector_identifier_uri` leads to, or refuse."""
    if "sector_identifier_uri" not in metadata:
        return
    settings = loaded().settings

    async def fetch() -> None:
        fetcher = Fetcher(allow_private=settings.fetch_private_addresses, ca_file=settings.ca_file)
        try:
            await check_sector(fetcher, metadata)
        finally:
            await fetcher.close()

    try:
        asyncio.run(fetch())
    except InvalidClientMetadata as error:
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""  # for the operator, not for clients
        refuse(f"{error.error}: {error.description}{cause}")
