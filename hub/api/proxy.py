"""Who asks, where proxies stand between: what X-Forwarded-For and -Proto say counts only from ours. Pure.

Anybody can send these headers. Each proxy appends whom it heard, so the right-hand end is written by the proxy
that speaks to us, and what is farther left is worth as much as who wrote it. From the right, our own proxies
are passed over, and the first other address is who asks; nothing left of it is looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_HOPS: Final = 20


def believe(
    peer: str, scheme: str, headers: Iterable[tuple[bytes, bytes]], proxies: Sequence[Network]
) -> tuple[str, str]:
    """The address and the scheme (`http`, `https`) that a request came with, as far as they are to be believed.

    `peer` is who is at the other end of the connection; `headers` in the order they came, names in lower case.
    """
    if not is_proxy(peer, proxies):
        return peer, scheme
    told = list(headers)
    address = peer
    for hop in reversed(_words(told, b"x-forwarded-for")[-_MOST_HOPS:]):
        named = _read_address(hop)
        if named is None:
            break
        address = str(named)
        if not is_proxy(address, proxies):
            break
    protocols = _words(told, b"x-forwarded-proto")
    said = protocols[-1].lower() if protocols else ""
    return address, said if said in ("http", "https") else scheme


def is_proxy(address: str, proxies: Sequence[Network]) -> bool:
    """Whether the address is one of our proxies'."""
    read = _read_address(address)
    return read is not None and any(read.version == each.version and read in each for each in proxies)


def _words(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return [word.strip() for line in lines for word in line.split(",")]


def _read_address(text: str) -> Address | None:
    """An address, also with the port that some proxies add; None where it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        read = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return mapped or read
