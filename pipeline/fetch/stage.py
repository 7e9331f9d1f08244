"""Stage `fetch`: the requested image URLs of one group of hosts to an image store and an index.

Bytes come, in this order, from what an earlier build of the run had asked for, from the crawl's own WARC files and
`data:` URLs, and with `fetch.source: web` from the web. Every URL ends in the index with a status: `image_urls` =
`images` + `image_urls_dropped.STATUS`; a URL that leads to another host is counted under `redirects` only, and again
by the part that owns this host. Bytes are named by their SHA-256 and stored once in a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from typing import Any, BinaryIO, cast

from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.parquet import RowWriter, rows_if_there
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.exchange.carried import FOLDER as CARRIED
from m3w.pipeline.fetch.archive import decode_data_url, read_image
from m3w.pipeline.fetch.fetcher import fetch_all
from m3w.pipeline.fetch.host import REDIRECTED, Outcome, Request
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.store import StoreReader, StoreWriter
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import INDEX_SCHEMA
from m3w.schemas.document import OK

MIB = 2**20
Row = dict[str, Any]


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read the requests at `part.work["requests"]`, write `images/store` (a tar) and `images/index`."""
    store_name = f"images/store/{part.name}.tar"
    requests = rows_if_there(attempt.run, part.work["requests"])
    with attempt.create(store_name) as store_file, StoreWriter(store_file, store_name) as store:
        index = _Index(attempt, store, recipe)
        requests = _carry_over(requests, part, recipe, attempt.run, index)
        requests = [request for request in requests if not index.refused(request)]
        from_web = _from_archive(requests, recipe, attempt.run, index)
        if from_web:
            _from_web(from_web, recipe, index)
    with (
        attempt.create(f"images/index/{part.name}.parquet") as index_file,
        RowWriter(index_file, INDEX_SCHEMA) as writer,
    ):
        for row in sorted(index.rows, key=lambda row: str(row["url"])):
            writer.write(row)
    asked = [row["fetched_at"] for row in index.rows if row["transient"]]
    attempt.facts["oldest_transient"] = min(asked).isoformat() if asked else None


class _Index:
    """The rows of the part's index, each with its bytes in the store."""

    def __init__(self, attempt: Attempt, store: StoreWriter, recipe: Recipe):
        self._attempt, self._store, self._recipe = attempt, store, recipe
        self.rows: list[Row] = []

    def look(self, content: bytes, at_once: int | None = None) -> StoredImage:
        max_pixels = self._recipe.fetch.max_megapixels * 1_000_000
        return prepare(content, self._recipe.images, max_pixels=max_pixels, at_once=at_once)

    def add(self, request: Row, status: str, image: StoredImage | None = None, **known: Any) -> None:
        row = {**dict.fromkeys(INDEX_SCHEMA.names), "url": request["url"], "parts": request["parts"], "attempts": 0}
        row |= {"transient": False, **known, "status": status}
        if image is not None:
            row |= {**image.row(), "place": self._store.store(image.sha256, image.mime, image.content)}
        self._count(status)
        self.rows.append(row)

    def carry(self, request: Row, earlier: Row, content: bytes | None) -> None:
        """Take over what was found before."""
        row = {**earlier, "url": request["url"], "parts": request["parts"]}
        if content is not None:
            row["place"] = self._store.store(row["sha256"], row["mime"], content)
        self._attempt.counters["image_urls_carried_over"] += 1
        self._count(row["status"])
        self.rows.append(row)

    def refused(self, request: Row) -> bool:
        if request["refused"] is not None:
            self.add(request, request["refused"], consent="list" if request["refused"] == "opted_out" else None)
        return request["refused"] is not None

    def _count(self, status: str) -> None:
        if status == REDIRECTED:
            self._attempt.counters["redirects"] += 1
            return
        self._attempt.counters["image_urls"] += 1
        self._attempt.counters["images" if status == OK else f"image_urls_dropped.{status}"] += 1


def _carry_over(requests: list[Row], part: Part, recipe: Recipe, run: Run, index: _Index) -> list[Row]:
    """The requests that nothing settled yet; the others go to the index, their bytes to the new store.

    Settled by an earlier build, under the request's URL, or by an earlier wave of this one, under its location.
    """
    earlier = {row["url"]: row for row in rows_if_there(run, part.work["earlier"])}
    settled = {row["url"]: row for name in part.work["settled"] for row in rows_if_there(run, name)}
    too_old = datetime.fromisoformat(part.work["now"]) - timedelta(days=recipe.fetch.retry_after_days)
    left = []
    with StoreReader(run) as store:
        for request in requests:
            row = earlier.get(request["url"]) or settled.get(request["location"])
            again = row is None or (row["transient"] and row["fetched_at"] <= too_old)
            if row is None or again or row["status"] == REDIRECTED or request["refused"]:
                left.append(request)
            else:
                index.carry(request, row, store.read(row["place"]) if row["place"] else None)
    return left


def _from_archive(requests: list[Row], recipe: Recipe, run: Run, index: _Index) -> list[Row]:
    """Index what the archive holds; give back what is to be asked of the web."""
    left = []
    for request, content in _contents(requests, recipe, run):
        try:
            if isinstance(content, NoImageError):
                raise content
            index.add(request, OK, index.look(content), fetched_at=request["crawled_at"])
        except NoImageError as error:
            if recipe.fetch.source == "web" and not request["url"].startswith("data:"):
                left.append(request)
            else:
                index.add(request, str(error), fetched_at=request["crawled_at"])
    return left


def _contents(requests: list[Row], recipe: Recipe, run: Run) -> Iterator[tuple[Row, bytes | NoImageError]]:
    """Each request with its bytes or why there are none, by archive file and offset, so that a file is opened once."""
    requests = sorted(requests, key=lambda request: (request["warc_path"] or "", request["warc_offset"] or 0))
    with ExitStack() as files:
        path, file = "", None
        for request in requests:
            if request["warc_path"] not in (None, path):
                files.close()
                path = request["warc_path"]
                file = files.enter_context(_archive(path, recipe, run))
            try:
                yield request, _content(request, file, recipe.fetch.max_image_mib * MIB)
            except NoImageError as error:
                yield request, error


def _archive(path: str, recipe: Recipe, run: Run) -> AbstractContextManager[BinaryIO]:
    """A file of the crawl, or of the run: images that came with documents of another project."""
    if path.startswith(CARRIED):
        return cast(AbstractContextManager[BinaryIO], run.fs.open(run.full(path), "rb"))
    return open_file(path, recipe.crawl.storage)


def _content(request: Row, file: BinaryIO | None, max_bytes: int) -> bytes:
    if request["url"].startswith("data:"):
        return decode_data_url(request["url"])
    if request["warc_path"] is None:
        raise NoImageError("not_in_archive")
    if request["archive_status"] != 200:
        raise NoImageError(f"http_{request['archive_status']}")
    assert file is not None
    return read_image(file, request["warc_path"], request["warc_offset"], request["url"], max_bytes=max_bytes)


def _from_web(requests: list[Row], recipe: Recipe, index: _Index) -> None:
    """Ask for the requests' locations, each once, whatever number of URLs led there."""
    by_location: dict[str, list[Row]] = {}
    for request in requests:
        by_location.setdefault(request["location"], []).append(request)

    def emit(outcome: Outcome) -> None:
        fields = ("http_status", "final_url", "attempts", "seconds", "transient", "consent", "fetched_at")
        known = {name: getattr(outcome, name) for name in fields}
        for request in by_location[outcome.request.location]:
            hops = request["hops"] + outcome.hops - outcome.request.hops
            index.add(request, outcome.status, outcome.image, hops=hops, **known)

    fetch_all(
        [Request(location=location, hops=max(row["hops"] for row in rows)) for location, rows in by_location.items()],
        recipe.fetch,
        recipe.consent,
        prepare=index.look,
        emit=emit,
        threads=max(1, int(recipe.execution.cpus_per_part)),
    )
