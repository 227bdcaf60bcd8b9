"""Which addresses belong to the public internet, whatever the Python version thinks of ranges that are new to it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out; what lies outside is reserved, local, or wraps an IPv4 address in a way of its own."""
NOT_PUBLIC = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, apart from Teredo, which is unwrapped: RFC 2928
        "2001:db8::/32",  # documentation: RFC 3849
        "3fff::/20",  # documentation: RFC 9637
    )
)
NOT_PUBLIC_IPV4 = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments: RFC 6890
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, given up: RFC 7526
)
_NAT64 = IPv6Network("64:ff9b::/96")
_LAST_32_BITS = 0xFFFF_FFFF


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet, also when it is wrapped in another one."""
    if isinstance(address, IPv4Address):
        is_odd = any(address in network for network in NOT_PUBLIC_IPV4)
        return address.is_global and not address.is_multicast and not is_odd
    wrapped = _wrapped(address)
    if wrapped is not None:
        return is_public(wrapped)
    is_given_out = address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC)
    return is_given_out and address.is_global and not address.is_multicast


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as, None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & _LAST_32_BITS)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
