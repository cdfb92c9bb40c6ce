"""Where a webhook may go: a name is resolved once, judged, and the connection goes to that very address.

So a name that answers with a public address first and a private one later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
"""NAT64: an IPv4 address in its last four bytes."""


class AddressRefused(Exception):
    """The name leads to where a webhook may not go, or nowhere."""


def is_public(address: IpAddress) -> bool:
    """Whether it is an address of the open internet, also where one is packed into another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_allowed(address: IpAddress, *, allow_private: bool) -> bool:
    """Whether a webhook may go there. Link-local addresses (a cloud's metadata) never are."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if is_public(address):
        return True
    return allow_private and not (address.is_link_local or address.is_multicast or address.is_unspecified)


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """One address of the host, to connect to. Raises AddressRefused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{host}: has no address ({error})") from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    # All of them: a name that leads both outside and inside is not to be trusted with either.
    refused = [
        each for each in addresses if not is_allowed(ipaddress.ip_address(each), allow_private=allow_private)
    ]
    if refused or not addresses:
        raise AddressRefused(
            f"{host}: leads to {', '.join(refused) or 'nowhere'}, which is not on the open internet;"
            " for a receiver on the school's own network set allow_private: true"
        )
    return addresses[0]
