"""What RFC 8707 `resource` parameters may name, and what that means for a token: the rules that grants share."""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from clients.client import Client
from server.protocol.errors import InvalidScopeError, InvalidTargetError, because
from server.protocol.request import Parameters
from server.protocol.services import Services

MAX_RESOURCES = 10
MAX_CHARACTERS = 500


def is_resource_uri(uri: str) -> bool:
    """Whether a text is an absolute URI without a fragment (section 2)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    is_plain = uri.isascii() and uri.isprintable() and not set(' "<>\\^`{|}') & set(uri)
    return is_plain and len(uri) <= MAX_CHARACTERS and bool(parts.scheme) and "#" not in uri and ":" in uri


def requested(parameters: Parameters, services: Services) -> tuple[str, ...]:
    """Return the resources that a request names, each once. Raises InvalidTargetError for one that is not here.

    The issuer itself is always a resource: UserInfo and the account API are its own.
    """
    uris = tuple(dict.fromkeys(uri for uri in parameters.lists.get("resource", ()) if uri))
    if len(uris) > MAX_RESOURCES or not all(is_resource_uri(uri) for uri in uris):
        raise InvalidTargetError(
            f"A resource is no absolute URI without a fragment, or there are more than {MAX_RESOURCES}"
        )
    if unknown := [uri for uri in uris if not is_known(uri, services)]:
        raise because(InvalidTargetError("A resource is unknown"), f"unknown: {' '.join(unknown)}")
    return uris


def is_known(uri: str, services: Services) -> bool:
    """Whether a resource is registered here, or is this server."""
    return uri == services.settings.issuer or uri in services.resources


def may_ask(client: Client, uri: str, services: Services, *, by_itself: bool) -> bool:
    """Whether a client may have tokens for a resource.

    A client with the metadata `resources`: those. Another one: those that a person lets it use; and without a person
    (`by_itself`) those with a scope that it is registered for, because nobody else would have decided.
    """
    if uri == services.settings.issuer:
        return True
    if client.resources is not None:
        return uri in client.resources
    resource = services.resources.get(uri)
    return resource is not None and (not by_itself or bool(client.scopes.intersection(resource.scopes)))


def check_allowed(client: Client, uris: Iterable[str], services: Services, *, by_itself: bool) -> None:
    """Refuse resources that the client may not have tokens for. Raises InvalidTargetError."""
    for uri in uris:
        if not may_ask(client, uri, services, by_itself=by_itself):
            # It is one of ours, which discovery announces; what is not is never said back to its sender.
            raise InvalidTargetError(f"The resource {uri} is not allowed for this client")


def foreign_scopes(services: Services, audience: Iterable[str]) -> frozenset[str]:
    """Return the scopes that mean nothing at any of these resources: others list them, and none of these does.

    A scope that no resource lists is good everywhere, and a resource that lists none takes every scope.
    """
    targets = [services.resources[uri] for uri in audience if uri in services.resources]
    if any(not target.scopes for target in targets):
        return frozenset()
    listed = {scope for resource in services.resources.values() for scope in resource.scopes}
    return frozenset(listed.difference(*(target.scopes for target in targets)))


def check_scopes(scopes: Collection[str], foreign: Collection[str]) -> None:
    """Refuse scopes of which none means anything at the audience: that nothing was granted, `scope` cannot say.

    A response without the member says that all was granted (RFC 6749 section 5.1). Raises InvalidScopeError.
    """
    if scopes and set(scopes) <= set(foreign):
        raise InvalidScopeError("The resource knows none of the requested scopes")
