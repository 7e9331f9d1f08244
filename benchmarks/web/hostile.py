"""A server with one attack or fault per host; `tricks` gives the status that each host's image must end with.

None may delay a fetcher or take memory beyond the fetcher's limits, and no redirect may lead it to a private address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from benchmarks.web import tricks as does
from benchmarks.web.server import Connection, Server, Visit, is_rules
from benchmarks.web.tricks import Act

DOMAIN = "hostile.test"
PATH = "/folder/image.jpg"


@dataclass(frozen=True)
class Trick:
    """The behaviour of one host."""

    act: Act
    status: str
    """The status that its images must end with; `A or B` if both are right."""
    rules: bool = False
    """The host applies its trick to robots.txt and /.well-known/, too; the others do not have them."""
    hosts: int = 1
    """The number of hosts that do the same, all at once."""
    images: int = 1


def tricks_of(port: int, private_port: int) -> dict[str, Trick]:
    """Tricks by host name; `port` is the server's own, and nothing may connect to 127.0.0.1 at `private_port`."""
    return {**_slow(), **_long(), **_lying(), **_pictures(), **_busy(), **_redirects(port, private_port)}


def _slow() -> dict[str, Trick]:
    return {
        "silent": Trick(does.say_nothing, "timeout"),
        "silent-robots": Trick(does.say_nothing, "robots_unreachable", rules=True),
        "drip": Trick(does.drip, "timeout", hosts=3),
        "hang-up": Trick(does.hang_up, "connection_lost"),
        "reset": Trick(does.reset, "connection_lost"),
    }


def _long() -> dict[str, Trick]:
    return {
        "endless": Trick(does.pour, "too_large or timeout", hosts=12),
        "endless-chunks": Trick(does.pour_chunks, "too_large or timeout"),
        "endless-robots": Trick(does.pour, "robots_unreachable", rules=True),
        "endless-headers": Trick(does.pour_headers, "bad_response"),
        "endless-continue": Trick(does.pour_announcements, "timeout"),
        "huge-header": Trick(does.one_huge_header, "bad_response"),
        "bomb": Trick(does.serve_bytes(does.bomb, does.JPEG, "Content-Encoding: gzip"), "body_too_large", hosts=12),
    }


def _lying() -> dict[str, Trick]:
    page = b"<!doctype html><title>Not found</title><p>There is no such picture."
    return {
        "page": Trick(does.serve_bytes(lambda: page, does.JPEG), "not_an_image"),
        "text-type": Trick(does.serve_bytes(does.picture, "Content-Type: text/html"), "ok"),
        "length-too-long": Trick(does.state_too_much, "connection_lost"),
        "length-too-short": Trick(does.state_too_little, "bad_response"),
        "length-terabytes": Trick(does.state_terabytes, "too_large"),
        "length-negative": Trick(does.state_nonsense, "bad_response"),
        "bad-chunks": Trick(does.bad_chunks, "bad_response"),
        "no-head": Trick(does.no_head, "bad_response"),
    }


def _pictures() -> dict[str, Trick]:
    return {
        "megapixels": Trick(does.serve_bytes(lambda: does.large_picture(8000, 8000)), "ok", hosts=4),
        "more-megapixels": Trick(does.serve_bytes(lambda: does.large_picture(8000, 8001)), "too_many_pixels"),
        "truncated": Trick(does.serve_bytes(lambda: does.picture()[:1000]), "undecodable"),
        "empty": Trick(does.serve_bytes(bytes), "empty"),
    }


def _busy() -> dict[str, Trick]:
    return {
        "busy": Trick(does.fail(429, "Retry-After: 1"), "http_429"),
        "storm": Trick(does.fail(429, "Retry-After: 86400"), "http_429", images=12),
        "busy-once": Trick(_Once(does.fail(503, "Retry-After: 1")), "ok"),
        "lost-once": Trick(_Once(does.reset), "ok"),
        "down": Trick(does.hang_up, "host_down or connection_lost", images=40),
        "error": Trick(does.fail(500), "http_500"),
        "gone": Trick(does.fail(410), "http_410"),
        "switching": Trick(does.fail(101, "Upgrade: websocket", "Connection: upgrade"), "http_101"),
        "down-robots": Trick(does.fail(503, "Retry-After: 1"), "robots_unreachable", rules=True),
    }


def _redirects(port: int, private_port: int) -> dict[str, Trick]:
    inside = {
        "address": "127.0.0.1",
        "decimal": "2130706433",
        "hex": "0x7f000001",
        "octal": "0177.0.0.1",
        "short": "127.1",
        "zero": "0.0.0.0",
        "mapped": "[::ffff:127.0.0.1]",
        "nat": "[64:ff9b::7f00:1]",
        "name": f"inside.{DOMAIN}",
        "localhost": "localhost",
    }
    return {
        **{
            f"to-{name}": Trick(does.redirect(f"http://{host}:{private_port}/"), "blocked_address or invalid_url")
            for name, host in inside.items()
        },
        "robots-to-private": Trick(does.redirect(f"http://127.0.0.1:{private_port}/"), "blocked_address", rules=True),
        "to-metadata": Trick(does.redirect("http://169.254.169.254/latest/meta-data/"), "blocked_address"),
        "to-file": Trick(does.redirect("file:///etc/passwd"), "blocked_scheme"),
        "to-script": Trick(does.redirect("javascript:alert(1)"), "blocked_scheme"),
        "to-nowhere": Trick(does.redirect("http://["), "invalid_url"),
        "loop": Trick(does.redirect(PATH), "too_many_redirects"),
        "endless-redirect": Trick(does.pour_redirect, "too_many_redirects"),
        "other-host": Trick(does.redirect(f"http://plain.{DOMAIN}:{port}/other.jpg"), "ok"),
        "relative": Trick(_Once(does.redirect("../elsewhere/image.jpg")), "ok"),
        "plain": Trick(does.serve, "ok"),
    }


class _Once:
    """Applies a trick to the first request, and serves all later ones."""

    def __init__(self, first: Act):
        self._first, self._asked = first, False

    async def __call__(self, connection: Connection) -> None:
        act, self._asked = does.serve if self._asked else self._first, True
        await act(connection)


class HostileServer(Server):
    """`private_port` is a port of 127.0.0.1 that redirects try to lead to."""

    def __init__(self, private_port: int):
        super().__init__()
        self._private_port = private_port

    def __enter__(self) -> Self:
        for make in (does.bomb, lambda: does.large_picture(8000, 8000), lambda: does.large_picture(8000, 8001)):
            make()  # before a client waits for it
        return super().__enter__()

    def listening(self) -> None:
        self._tricks = {
            f"{name}{number or ''}.{DOMAIN}": trick
            for name, trick in tricks_of(self.port, self._private_port).items()
            for number in range(trick.hosts)
        }

    async def answer(self, visit: Visit, connection: Connection) -> None:
        trick = self._tricks[visit.host]
        act = trick.act if trick.rules or not is_rules(visit.path) else does.fail(404)
        await act(connection)

    def expected(self) -> dict[str, str]:
        """Each image URL with the status that it must end with."""
        return {
            self.url(host, f"{PATH}?{number}" if number else PATH): trick.status
            for host, trick in self._tricks.items()
            for number in range(trick.images)
        }

    def names(self) -> list[str]:
        """The hosts' names, which no name server knows."""
        return [*self._tricks, f"inside.{DOMAIN}"]
