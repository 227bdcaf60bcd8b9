"""The document at a `sector_identifier_uri`: which addresses are in the sector (OpenID Connect Core section 8.1)."""

from collections.abc import Mapping
from typing import Any

from clients.metadata import InvalidClientMetadata
from clients.sector import WITHOUT_BROWSER
from keys.decoding import decode_json
from server.observability.logging import logger
from server.outbound.fetcher import Fetcher, FetchError

OK = 200


async def check_sector(fetcher: Fetcher, metadata: Mapping[str, Any]) -> None:
    """Fetch the document of a client's sector and look for its addresses there. Raises InvalidClientMetadata.

    OpenID Connect Dynamic Client Registration 1.0 section 5: otherwise anybody could put a client of theirs into the
    sector of somebody else, and would know people by the same identifiers.
    """
    uri = metadata.get("sector_identifier_uri")
    if uri is None:
        return
    addresses = _addresses(metadata)
    if not addresses:
        # The document of somebody else would name nothing that is missing.
        raise InvalidClientMetadata("sector_identifier_uri needs redirect_uris or a jwks_uri that can be listed there")
    try:
        fetched = await fetcher.get(uri)
        if fetched.status != OK:
            raise FetchError(f"it answers {fetched.status}")  # noqa: TRY301  one outcome with the others
        listed = decode_json(fetched.body)
    except FetchError as error:
        # One text for all causes, or whoever registers could ask us which names lead inside (C076).
        logger().warning("sector_identifier_not_fetched", cause=str(error))
        raise InvalidClientMetadata("sector_identifier_uri cannot be fetched") from error
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise InvalidClientMetadata("sector_identifier_uri must lead to a JSON array of texts")
    missing = [address for address in addresses if address not in listed]
    if missing:
        raise InvalidClientMetadata(f"sector_identifier_uri leads to an array without {missing[0]}")


def _addresses(metadata: Mapping[str, Any]) -> list[str]:
    addresses = list(metadata.get("redirect_uris", ()))
    is_without_browser = not addresses or WITHOUT_BROWSER & set(metadata.get("grant_types", ()))
    # OpenID Connect CIBA Core section 4: what stands for a client to which tokens come without a redirect
    return [*addresses, metadata["jwks_uri"]] if is_without_browser and "jwks_uri" in metadata else addresses
