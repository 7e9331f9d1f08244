"""The guard: which addresses a fetcher may connect to.

The image URLs of a page are untrusted input, and a fetcher runs inside a network that trusts it. So a name is resolved
once, each of its addresses is checked, and the connection is made to one of these addresses, for the first request and
for each redirect. A second check where the socket is created cannot be bypassed by any spelling of a host. Refused are
all addresses that the IANA registries of special addresses (RFC 6890 and later) do not call globally reachable.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from m3w.pipeline.fetch.section import canonical_address, parse_endpoint

_REFUSED_V4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, which answers virtual machines on a public address
        "169.254.0.0/16",  # link-local: the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = [
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
]
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")


def is_public(address: str) -> bool:
    """Whether `address` is a public IP address; False for what is not an address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _REFUSED_V4)
    inner = _embedded(parsed)
    if inner is not None:
        return is_public(str(inner))
    return parsed in _GLOBAL_V6 and not any(parsed in network for network in _REFUSED_V6)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which a translator would forward packets."""
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return None


class BlockedAddressError(OSError):
    """A connection that the guard does not allow."""


class Guard(AbstractResolver):
    """Resolves names and creates sockets for aiohttp, for allowed addresses only.

    `allow_private` lists `ADDRESS:PORT` (`[ADDRESS]:PORT` for IPv6) that are allowed although they are private;
    `resolve` gives the addresses of names in place of DNS, as curl's --resolve does.
    """

    def __init__(self, allow_private: Iterable[str] = (), resolve: Mapping[str, str] | None = None):
        self._allowed = {parse_endpoint(text) for text in allow_private}
        self._names = dict(resolve or {})
        self._known: dict[tuple[str, int], asyncio.Future[list[ResolveResult]]] = {}

    def allows(self, address: str, port: int) -> bool:
        return is_public(address) or (canonical_address(address), port) in self._allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, resolved once for this guard.

        Raises `BlockedAddressError` if any of them is not allowed: a legitimate name does not have both kinds. Other
        `OSError`s come from the resolver.
        """
        key = (host, port)
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._resolved(host, port))
        return await asyncio.shield(self._known[key])

    async def _resolved(self, host: str, port: int) -> list[ResolveResult]:
        name = self._names.get(host.rstrip("."), host)
        try:
            results = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label of more than 63 characters, or an empty one
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no host name") from error
        for *_, address in results:
            self._check(str(address[0]), port)
        return [_result(host, family, str(address[0]), port) for family, _, _, _, address in results]

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A new socket for `info` (an entry of getaddrinfo); the last check before a connection."""
        family, kind, protocol, _, address = info
        self._check(address[0], address[1])
        return socket.socket(family, kind, protocol)

    def _check(self, address: str, port: int) -> None:
        if not self.allows(address, port):
            raise BlockedAddressError(f"{address} is not a public address")

    async def close(self) -> None:
        for future in self._known.values():
            future.cancel()


def _result(host: str, family: int, address: str, port: int) -> ResolveResult:
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
