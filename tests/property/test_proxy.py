"""Who asks, through proxies: whatever somebody writes into the headers, he does not choose his address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.proxy import believe, is_proxy
from hub.settings import HttpSettings

OURS = [ipaddress.ip_network("10.1.0.0/24"), ipaddress.ip_network("fd00:1::/64")]
PROXY = st.sampled_from(["10.1.0.1", "10.1.0.9", "::ffff:10.1.0.7", "fd00:1::5"])
ANYBODY = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str).filter(lambda a: not is_proxy(a, OURS))
JUNK = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    st.lists(st.one_of(ANYBODY, PROXY, st.just("unknown"), st.just("")), max_size=6).map(", ".join),
)
NAMES = st.sampled_from([b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"x-real-ip"])
FORGED = st.lists(st.tuples(NAMES, JUNK.map(lambda text: text.encode("latin-1"))), max_size=4)


@given(peer=ANYBODY, forged=FORGED, scheme=st.sampled_from(["http", "https"]))
def test_from_anybody_else_nothing_is_believed(
    peer: str, forged: list[tuple[bytes, bytes]], scheme: str
) -> None:
    assert believe(peer, scheme, forged, OURS) == (peer, scheme)
    assert believe("10.1.0.1", scheme, forged, []) == ("10.1.0.1", scheme)


@given(client=ANYBODY, forged=FORGED, through=st.lists(PROXY, min_size=1, max_size=4), joined=st.booleans())
def test_through_our_proxies_the_client_is_whom_the_first_of_them_heard(
    client: str, forged: list[tuple[bytes, bytes]], through: list[str], joined: bool
) -> None:
    """Each proxy appends whom it heard, to the line that came or as a line of its own."""
    headers = list(forged)
    for heard in [client, *through[:-1]]:
        lines = [at for at, (name, _) in enumerate(headers) if name == b"x-forwarded-for"]
        if joined and lines:
            name, value = headers[lines[-1]]
            headers[lines[-1]] = (name, value + b", " + heard.encode())
        else:
            headers.append((b"x-forwarded-for", heard.encode()))
    headers.append((b"x-forwarded-proto", b"https"))
    address, scheme = believe(through[-1], "http", headers, OURS)
    assert ipaddress.ip_address(address) == _plain(client)
    assert scheme == "https"


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    read = ipaddress.ip_address(text)
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return mapped or read


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("9.9.9.9, unknown", "10.1.0.1"),
        ("9.9.9.9, 10.1.0.3, 1.2.3.4, 10.1.0.2", "1.2.3.4"),
        ("", "10.1.0.1"),
    ],
)
def test_what_proxies_write(line: str, address: str) -> None:
    assert believe("10.1.0.1", "http", [(b"x-forwarded-for", line.encode())], OURS)[0] == address


@pytest.mark.parametrize("proxies", [["0.0.0.0/0"], ["::/0"], ["10.0.0.1/8"], ["nginx"], ["10.0.0.0/7"]])
def test_everybody_is_no_proxy(proxies: list[str]) -> None:
    with pytest.raises(ValueError, match="proxies"):
        HttpSettings.model_validate({"proxies": proxies})
    assert HttpSettings.model_validate({"proxies": ["127.0.0.1", "10.0.0.0/24"]}).proxies
