"""Where a server may be: how a base URL is written, and which addresses are never connected to.

A host is never judged by its spelling (`2130706433`, `0x7f.1` and DNS names lead anywhere): the transport
resolves it and asks `why_forbidden` about the very address that it then connects to.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

DEFAULT_PORT = 1234
_MAX_LENGTH = 500
_PASTED = re.compile(r"/+(?:api/v[01]|v1)(?:/models|/chat(?:/completions)?)?/*$")

IPAddress = IPv4Address | IPv6Address

_FORBIDDEN = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "an unspecified address"),
        ("169.254.0.0/16", "a link-local address, where cloud machines keep their credentials"),
        ("100.100.100.200/32", "a cloud metadata service"),
        ("168.63.129.16/32", "a cloud metadata service"),
        ("192.0.0.192/32", "a cloud metadata service"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved or broadcast address"),
        ("::/128", "an unspecified address"),
        ("fe80::/10", "a link-local address"),
        ("fd00:ec2::/32", "a cloud metadata service"),
        ("fd20:ce::254/128", "a cloud metadata service"),
        ("ff00::/8", "a multicast address"),
    )
)
# IPv6 addresses that carry an IPv4 address: the network, and how far the 32 bits stand from the right.
_CARRIERS = tuple(
    (ip_network(network), shift)
    for network, shift in (
        ("::/96", 0),  # IPv4-compatible
        ("::ffff:0:0/96", 0),  # IPv4-mapped
        ("::ffff:0:0:0/96", 0),  # IPv4-translated
        ("64:ff9b::/96", 0),  # NAT64
        ("64:ff9b:1::/48", 0),  # NAT64 with a local prefix of 96 bits
        ("2002::/16", 80),  # 6to4
    )
)
_TEREDO = ip_network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # names of this host


def normalize_base_url(text: str) -> str:
    """The base URL that a person meant: `localhost` gives `http://localhost:1234`.

    `/v1`, `/api/v1`, `/api/v0` and slashes at the end go; another path stays (a proxy may serve it there). Port
    1234 is assumed only where neither scheme nor port is given: `http://host` means port 80, as everywhere.
    Raises ValueError with a text for people.
    """
    text = text.strip()
    if not text or len(text) > _MAX_LENGTH:
        raise ValueError("Enter the address of the server, for example http://localhost:1234.")
    if re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise ValueError("The address must not contain spaces or backslashes.")
    has_scheme = "://" in text
    url = _parsed(text if has_scheme else f"http://{text.removeprefix('//')}")
    _check_parts(url)
    if not has_scheme and url.port is None and not re.search(r":80(?:/|$)", text):
        url = url.copy_with(port=DEFAULT_PORT)
    path = _PASTED.sub("", url.raw_path.decode("ascii"))
    return str(url.copy_with(raw_path=b"/")).rstrip("/") + path.rstrip("/")


def _parsed(text: str) -> httpx.URL:
    # Read by the same parser that later connects, so that both see the same host.
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"This is not a valid address: {error}.") from error


def _check_parts(url: httpx.URL) -> None:
    if url.scheme not in ("http", "https"):
        raise ValueError(f"The address must start with http:// or https://, not {url.scheme}://.")
    if url.userinfo:
        raise ValueError("The address must not contain a user name or password; enter the token separately.")
    if url.query or url.fragment:
        raise ValueError("The address must not contain ? or #.")
    if not url.host:
        raise ValueError("The address has no host name.")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError("The port must be between 1 and 65535.")


def why_forbidden(address: str) -> str | None:
    """Why LMStrix never connects to this IP address; None when it may.

    Loopback, private and public addresses may. An IPv4 address carried inside an IPv6 one is judged too.
    """
    ip = ip_address(address)
    for candidate in (ip, *_carried(ip)):
        for network, reason in _FORBIDDEN:
            if candidate in network:
                return reason
    return None


def _carried(ip: IPAddress) -> list[IPv4Address]:
    if isinstance(ip, IPv4Address) or ip.is_loopback:
        return []
    number = int(ip)
    found = [IPv4Address(number >> shift & 0xFFFFFFFF) for network, shift in _CARRIERS if ip in network]
    if ip in _TEREDO:  # the server in clear, the client with all bits inverted
        found += [IPv4Address(number >> 64 & 0xFFFFFFFF), IPv4Address(~number & 0xFFFFFFFF)]
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        found.append(IPv4Address(number & 0xFFFFFFFF))
    return found


def is_link_local_v6(address: str) -> bool:
    """True for fe80::/10, which name services list beside the address that is meant."""
    ip = ip_address(address)
    return isinstance(ip, IPv6Address) and ip.is_link_local
