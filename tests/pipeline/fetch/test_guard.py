"""The guard: an address that it refuses never gets a connection, however the address is written."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import ValidationError

from m3w.pipeline.fetch.client import Client, FetchError
from m3w.pipeline.fetch.guard import BlockedAddressError, Guard, is_public
from m3w.pipeline.fetch.section import Fetch

REFUSED = [
    # this network, private, shared, loopback, link-local
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9",
    "169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
    # protocols, documentation, benchmarks, 6to4 relays, multicast, reserved, broadcast, a cloud's host
    "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    # IPv6: unspecified, loopback, link-local with and without a zone, unique local, site-local, multicast
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fdff::1", "fec0::1", "ff02::1", "ff0e::1",
    # documentation, Teredo, ORCHID, benchmarks, discard-only, segment routing
    "2001:db8::1", "3fff::1", "2001::1", "2001:10::1", "2001:2::1", "100::1", "5f00::1",
    # IPv4 within IPv6: mapped, compatible, NAT64, local NAT64, 6to4
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:c0a8:101::1",
    # no addresses at all
    "", "localhost", "example.org", "127.1", "0x7f000001",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "64:ff9b::8.8.8.8", "2002:808:808::1",
    "::ffff:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_of_the_open_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_not(address: str) -> None:
    assert is_public(address)


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(set(REFUSED)) >= 60


@pytest.fixture
def listener() -> Iterator[tuple[int, list[Any]]]:
    """A port on 127.0.0.1 and ::1 where every connection is noted."""
    seen: list[Any] = []
    sockets = [socket.create_server(("127.0.0.1", 0))]
    port = sockets[0].getsockname()[1]
    if socket.has_dualstack_ipv6():
        sockets.append(socket.create_server(("::1", port), family=socket.AF_INET6))

    def accept(server: socket.socket) -> None:
        while True:
            try:
                connection, peer = server.accept()
            except OSError:
                return
            seen.append(peer)
            connection.close()

    for server in sockets:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
    yield port, seen
    for server in sockets:
        server.close()


WAYS_TO_LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001",
    "0177.1", "0x7f.1", "127.000.000.001", "127.0.0.1.", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[::]", "user@127.0.0.1", "example.org@127.0.0.1", "example.org:80@127.0.0.1",
    "１２７.０.０.１", "①②⑦.0.0.1", "127。0。0。1", "%31%32%37.0.0.1", "private.test", "mixed.test",
]  # fmt: skip


@pytest.mark.parametrize("host", WAYS_TO_LOOPBACK)
def test_no_spelling_of_a_loopback_address_gets_a_connection(host: str, listener: tuple[int, list[Any]]) -> None:
    port, seen = listener
    status = asyncio.run(_ask(f"http://{host}:{port}/secret.png", Guard(resolve=NAMES)))
    assert status in ("blocked_address", "invalid_url", "dns_failure", "connection_failed")
    assert seen == []


NAMES = {"private.test": "127.0.0.1", "mixed.test": "::ffff:127.0.0.1"}


def test_the_listener_would_have_seen_a_connection(listener: tuple[int, list[Any]]) -> None:
    port, seen = listener
    asyncio.run(_ask(f"http://private.test:{port}/", Guard([f"127.0.0.1:{port}"], NAMES)))
    assert len(seen) == 1


def test_an_allowed_endpoint_is_that_address_and_that_port_alone() -> None:
    guard = Guard(["127.0.0.1:8080", "[::1]:8081"])
    assert guard.allows("127.0.0.1", 8080) and guard.allows("::1", 8081) and guard.allows("0:0:0:0:0:0:0:1", 8081)
    assert not guard.allows("127.0.0.1", 8081)
    assert not guard.allows("127.0.0.2", 8080)
    assert not guard.allows("::ffff:127.0.0.1", 8080)


def test_a_name_is_resolved_once_so_that_it_cannot_turn_to_another_address() -> None:
    class Rebinding(Guard):
        answers = iter(["93.184.216.34", "127.0.0.1"])

        async def _resolved(self, host: str, port: int) -> Any:
            self._names = {host: next(self.answers)}
            return await super()._resolved(host, port)

    async def twice() -> list[list[str]]:
        guard = Rebinding()
        return [[found["host"] for found in await guard.resolve("rebinding.test", 80)] for _ in range(2)]

    assert asyncio.run(twice()) == [["93.184.216.34"], ["93.184.216.34"]]


def test_a_name_with_one_address_that_is_refused_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]

    async def resolve() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        await Guard().resolve("both.test", 80)

    with pytest.raises(BlockedAddressError, match=r"10\.0\.0\.1"):
        asyncio.run(resolve())


def test_the_last_check_is_where_the_socket_is_created() -> None:
    with pytest.raises(BlockedAddressError):
        Guard().socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80)))


@pytest.mark.parametrize("endpoint", ["127.0.0.1", "127.0.0.1:", "localhost:80", "127.0.0.1:0", "127.0.0.1:99999", ""])
def test_an_invalid_endpoint_is_an_error_before_the_run(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="is not ADDRESS:PORT"):
        Fetch(allow_private=[endpoint])


async def _ask(url: str, guard: Guard) -> str:
    client = Client(guard, user_agent="test", connections=4, timeout_s=5)
    async with client, AsyncExitStack() as slots:
        try:
            return str((await client.get(url, max_bytes=100, accept="*/*", slots=slots)).status)
        except FetchError as error:
            return str(error)
