"""Stage `fetch`: fetches the requested image URLs of one group of hosts into an image store and an index.

Bytes come, in this order, from the results of earlier builds of the run, from the crawl's own WARC files and `data:`
URLs, and with `fetch.source: web` from the web. Every URL ends in the index with a status: `image_urls` = `images` +
`image_urls_dropped.STATUS`. A URL that redirects to another host is counted here only under `redirects`; the part with
that host counts it under its status. Bytes are named by their SHA-256 and stored once per part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Literal, cast

from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Flow, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.fetch.archive import decode_data_url, read_image
from m3w.pipeline.fetch.fetcher import fetch_all
from m3w.pipeline.fetch.host import REDIRECTED, Outcome, Request
from m3w.pipeline.fetch.redirect_rounds import fetch_in_rounds
from m3w.pipeline.fetch.requests import DECLARED_TOO_SMALL
from m3w.pipeline.fetch.section import Fetch, Politeness
from m3w.pipeline.filters.consent import OPTED_OUT
from m3w.pipeline.filters.filter import BLOCK_LIST_CAUSES
from m3w.pipeline.filters.section import Consent
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.hashes import read_forbidden
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.section import Images
from m3w.pipeline.images.store import StoreReader, StoreWriter
from m3w.pipeline.tables import CARRIED_IMAGES, EARLIER_RESULTS, INDEX, REQUESTS, STORE
from m3w.schemas.document import OK

MIB = 2**20
Row = dict[str, Any]
assert INDEX.schema is not None
OUTCOME_FIELDS = {field.name for field in fields(Outcome)}.intersection(INDEX.schema.names) - {"status", "hops"}
"""The fields of an `Outcome` that are copied to the index."""


@settings
class FetchSettings:
    """Limits on requests have no effect on the fingerprint: URLs that failed because of them are requested again."""

    source: Literal["archive", "web"] = key("fetch.source")
    agent: str = key("fetch.agent")
    max_redirects: int = key("fetch.max_redirects")
    max_image_mib: int = key("fetch.max_image_mib")
    max_megapixels: int = key("fetch.max_megapixels")
    robots: bool = key("fetch.robots")
    allow_private: list[str] = key("fetch.allow_private")
    resolve: dict[str, str] = key("fetch.resolve")
    refuse: list[Any] = key("consent.refuse")
    tdm: bool = key("consent.tdm")
    images: Images = key("images")
    opt_out: list[NamedFile] = key("consent.opt_out", effect="none")
    """A longer list causes no new requests: `join` leaves out what it covers."""
    contact: str | None = key("fetch.contact", effect="none")
    host: Politeness = key("fetch.host", effect="none")
    hosts: dict[str, Politeness] = key("fetch.hosts", effect="none")
    connections: int = key("fetch.connections", effect="none")
    timeout_s: float = key("fetch.timeout_s", effect="none")
    attempts: int = key("fetch.attempts", effect="none")
    max_pause_s: float = key("fetch.max_pause_s", effect="none")
    retry_after_days: float = key("fetch.retry_after_days", effect="none")
    urls_per_part: int = key("fetch.urls_per_part", effect="none")
    urls_per_host: int = key("fetch.urls_per_host", effect="none")
    storage: Storage = key("crawl.storage", effect="none")
    cpus: float = key("execution.cpus_per_part", effect="none")

    @property
    def section(self) -> Fetch:
        """The recipe's section `fetch`, from the keys declared here."""
        return Fetch(**{name: getattr(self, name) for name in Fetch.model_fields})

    @property
    def consent(self) -> Consent:
        return Consent(refuse=self.refuse, tdm=self.tdm, opt_out=self.opt_out)


def check(fetch: FetchSettings) -> None:
    """Raises `InputError` for a list of forbidden images that cannot be read."""
    read_forbidden(fetch.images.forbidden, fetch.images.forbidden_distance)


@per_part(
    reads=[REQUESTS, EARLIER_RESULTS.optional, INDEX.optional, STORE.by_path, CARRIED_IMAGES.by_path],
    writes=[INDEX, STORE],
    settings=FetchSettings,
    version=4,
    incremental=True,
    rounds=fetch_in_rounds,
    check=check,
    units=("image_urls", "images"),
    flows=(
        Flow(
            track="images",
            unit="image_urls",
            entered_as="image URLs",
            entered="image_urls",
            kept_as="images fetched",
            kept="images",
        ),
    ),
    causes={**BLOCK_LIST_CAUSES, "forbidden": "block_list", OPTED_OUT: "opt_out", DECLARED_TOO_SMALL: "fetch"},
    cause="fetch",
    refusals={
        f"image_urls_dropped.{OPTED_OUT}": "images: refused by a header, a TDM reservation or a list",
        "image_urls_dropped.robots_disallowed": "images: disallowed by robots.txt",
        "image_urls_dropped.robots_unreachable": "images: the host's robots.txt was unreachable",
        "image_urls_dropped.tdm_unreachable": "images: the host's tdmrep.json was unreachable",
        "image_urls_dropped.forbidden": "images: on a list of forbidden images",
    },
)
def fetch(io: StageIO, fetch: FetchSettings) -> None:
    """Fetch the images in the part's file of requests."""
    with io.create(STORE) as store_file, StoreWriter(store_file, io.path(STORE)) as store:
        index = _Index(io, store, fetch)
        requests = _carry_over(io, fetch, index)
        requests = [request for request in requests if not index.refused(request)]
        from_web = _from_archive(io, requests, fetch, index)
        if from_web:
            _from_web(from_web, fetch, index)
    with io.write(INDEX) as writer:
        for row in sorted(index.rows, key=lambda row: str(row["url"])):
            writer.write(row)
    failed_at = [row["fetched_at"] for row in index.rows if row["transient"]]
    io.metadata["oldest_transient"] = min(failed_at).isoformat() if failed_at else None
    io.metadata.update({name: io.params[name] for name in ("asks", "generation", "group")})


class _Index:
    """The rows of the part's index, with their bytes in the store."""

    def __init__(self, io: StageIO, store: StoreWriter, fetch: FetchSettings):
        self._io, self._store, self._settings = io, store, fetch
        self.rows: list[Row] = []

    def prepare(self, content: bytes, at_once: int | None = None) -> StoredImage:
        """The image as it is to be stored. Raises `NoImageError`."""
        max_pixels = self._settings.max_megapixels * 1_000_000
        return prepare(content, self._settings.images, max_pixels=max_pixels, at_once=at_once)

    def add(self, request: Row, status: str, image: StoredImage | None = None, **columns: Any) -> None:
        """Add the result of a request; `columns` are further columns of its row."""
        assert INDEX.schema is not None
        row = {**dict.fromkeys(INDEX.schema.names), "url": request["url"], "parts": request["parts"], "attempts": 0}
        row |= {"transient": False, **columns, "status": status}
        if image is not None:
            row |= {**image.row(), "location": self._store.store(image.sha256, image.mime, image.content)}
        self._count(status)
        self.rows.append(row)

    def carry(self, request: Row, earlier: Row, content: bytes | None) -> None:
        """Reuse the result of an earlier request."""
        row = {**earlier, "url": request["url"], "parts": request["parts"]}
        if content is not None:
            row["location"] = self._store.store(row["sha256"], row["mime"], content)
        self._io.counters["image_urls_carried_over"] += 1
        self._count(row["status"])
        self.rows.append(row)

    def refused(self, request: Row) -> bool:
        """Whether the request is refused; if so, add it with its reason."""
        if request["refused"] is not None:
            self.add(request, request["refused"], consent="list" if request["refused"] == OPTED_OUT else None)
        return request["refused"] is not None

    def _count(self, status: str) -> None:
        if status == REDIRECTED:
            self._io.counters["redirects"] += 1
            return
        self._io.counters["image_urls"] += 1
        if status == OK:
            self._io.counters["images"] += 1
        else:
            self._io.count_dropped("image_urls", status)


def _carry_over(io: StageIO, fetch: FetchSettings, index: _Index) -> list[Row]:
    """Reuse earlier results: copy them to the index and their bytes to the store; returns the other requests.

    Results of earlier builds are found by the request's URL, those of earlier rounds of this one by its location.
    """
    earlier = {row["url"]: row for row in io.rows(EARLIER_RESULTS)}
    settled = {row["url"]: row for row in io.rows(INDEX)}
    too_old = datetime.fromisoformat(io.params["now"]) - timedelta(days=fetch.retry_after_days)
    remaining = []
    with StoreReader(lambda path: io.open(STORE, path)) as store:
        for request in io.rows(REQUESTS):
            row = earlier.get(request["url"]) or settled.get(request["location"])
            again = row is None or (row["transient"] and row["fetched_at"] <= too_old)
            if row is None or again or row["status"] == REDIRECTED or request["refused"]:
                remaining.append(request)
            else:
                index.carry(request, row, store.read(row["location"]) if row["location"] else None)
    return remaining


def _from_archive(io: StageIO, requests: list[Row], fetch: FetchSettings, index: _Index) -> list[Row]:
    """Index the images in the archive; returns the requests for the web."""
    for_web = []
    for request, content in _contents(io, requests, fetch):
        try:
            if isinstance(content, NoImageError):
                raise content
            index.add(request, OK, index.prepare(content), fetched_at=request["crawled_at"])
        except NoImageError as error:
            if fetch.source == "web" and not request["url"].startswith("data:"):
                for_web.append(request)
            else:
                index.add(request, str(error), fetched_at=request["crawled_at"])
    return for_web


def _contents(io: StageIO, requests: list[Row], fetch: FetchSettings) -> Iterator[tuple[Row, bytes | NoImageError]]:
    """Each request with its bytes, or the reason why it has none; in archive order, so that a file is opened once."""
    requests = sorted(requests, key=lambda request: (request["warc_path"] or "", request["warc_offset"] or 0))
    with ExitStack() as files:
        path, file = "", None
        for request in requests:
            if request["warc_path"] not in (None, path):
                files.close()
                path = request["warc_path"]
                file = files.enter_context(_archive(io, path, fetch.storage))
            try:
                yield request, _content(request, file, fetch.max_image_mib * MIB)
            except NoImageError as error:
                yield request, error


def _archive(io: StageIO, path: str, storage: Storage) -> AbstractContextManager[BinaryIO]:
    """A file of the crawl; or, for images of imported documents, a file of the run."""
    if CARRIED_IMAGES.holds(path):
        return cast(AbstractContextManager[BinaryIO], io.open(CARRIED_IMAGES, path))
    return open_file(path, storage)


def _content(request: Row, file: BinaryIO | None, max_bytes: int) -> bytes:
    if request["url"].startswith("data:"):
        return decode_data_url(request["url"])
    if request["warc_path"] is None:
        raise NoImageError("not_in_archive")
    if request["archive_status"] != 200:
        raise NoImageError(f"http_{request['archive_status']}")
    assert file is not None
    return read_image(file, request["warc_path"], request["warc_offset"], request["url"], max_bytes=max_bytes)


def _from_web(requests: list[Row], fetch: FetchSettings, index: _Index) -> None:
    """Fetch the requests' locations, each once, even if several URLs redirected to it."""
    by_location: dict[str, list[Row]] = {}
    for request in requests:
        by_location.setdefault(request["location"], []).append(request)

    def emit(outcome: Outcome) -> None:
        columns = {name: getattr(outcome, name) for name in OUTCOME_FIELDS}
        for request in by_location[outcome.request.location]:
            hops = request["hops"] + outcome.hops - outcome.request.hops
            index.add(request, outcome.status, outcome.image, hops=hops, **columns)

    fetch_all(
        [Request(location=location, hops=max(row["hops"] for row in rows)) for location, rows in by_location.items()],
        fetch.section,
        fetch.consent,
        prepare=index.prepare,
        emit=emit,
        threads=max(1, int(fetch.cpus)),
    )
