"""Images are decoded while others are requested."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.web.server import Connection, Server, Visit
from m3w.pipeline.fetch.fetcher import AT_ONCE_PIXELS, fetch_all
from m3w.pipeline.fetch.host import Outcome, Request
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.section import Images


class Pictures(Server):
    """A host with an image at each path."""

    def __init__(self, pictures: dict[str, bytes]):
        super().__init__()
        self._pictures = pictures

    async def answer(self, visit: Visit, connection: Connection) -> None:
        content = self._pictures.get(visit.path)
        await connection.send(200 if content else 404, content or b"")


def fetched(
    pictures: dict[str, bytes], look: Callable[[bytes, int | None], StoredImage], threads: int
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with Pictures(pictures) as web:
        fetch = Fetch(
            source="web",
            contact="tests@example.org",
            allow_private=[f"127.0.0.1:{web.port}"],
            resolve={"a.test": "127.0.0.1"},
            host={"connections": 4, "delay_s": 0},
        )
        requests = [Request(location=web.url("a.test", path)) for path in pictures]
        fetch_all(requests, fetch, Consent(), prepare=look, emit=outcomes.append, threads=threads)
    assert {outcome.status for outcome in outcomes} == {"ok"}
    return outcomes


def stored(content: bytes, at_once: int | None) -> StoredImage:
    return prepare(content, Images(), max_pixels=10**8, at_once=at_once)


@pytest.mark.parametrize(("threads", "elsewhere"), [(1, {"/large"}), (2, {"/small", "/large"})])
def test_large_pictures_and_all_where_there_are_cpus_for_them_are_decoded_on_threads(
    threads: int, elsewhere: set[str], photo: Any, encoded: Any
) -> None:
    pictures = {"/small": encoded(photo(300, 200), "JPEG"), "/large": encoded(photo(2600, 1600), "JPEG")}
    assert AT_ONCE_PIXELS < 2600 * 1600
    decoded_on: dict[str, threading.Thread] = {}

    def look(content: bytes, at_once: int | None) -> StoredImage:
        image = stored(content, at_once)
        decoded_on["/small" if content == pictures["/small"] else "/large"] = threading.current_thread()
        return image

    fetched(pictures, look, threads)
    assert {path for path, thread in decoded_on.items() if thread is not threading.current_thread()} == elsewhere


def test_a_large_picture_holds_no_request_up(photo: Any, encoded: Any) -> None:
    """While a thread decodes a large image, all others are fetched."""
    pictures = {f"/{n}": encoded(photo(100, 80), "JPEG") for n in range(8)} | {
        "/large": encoded(photo(2600, 1600), "JPEG")
    }
    done: list[str] = []
    others = threading.Event()

    def look(content: bytes, at_once: int | None) -> StoredImage:
        image = stored(content, at_once)
        if content == pictures["/large"]:
            assert others.wait(30), "the others wait for the large one"
        done.append("large" if content == pictures["/large"] else "small")
        if done.count("small") == 8:
            others.set()
        return image

    started = time.monotonic()
    fetched(pictures, look, 1)
    assert done == ["small"] * 8 + ["large"]
    assert time.monotonic() - started < 30
