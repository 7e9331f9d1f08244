"""Stage `fetch`: the requested image URLs of one group of hosts to an image store and an index.

`fetch.source: archive` takes the bytes from the crawl's own WARC files and from `data:` URLs. Every URL ends in the
index with a status; `image_urls` = `images` + `image_urls_dropped.STATUS`. Bytes are named by their SHA-256 and stored
once in a part, as they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import fsspec
import pyarrow.parquet as pq

from pipeline.attempt import Attempt
from pipeline.executor import Part
from pipeline.images.archive import decode_data_url, read_image
from pipeline.images.decode import NoImageError
from pipeline.images.store import StoreWriter
from pipeline.images.stored import prepare
from pipeline.parquet import RowWriter
from pipeline.recipe import Recipe
from pipeline.stages.tables import INDEX_SCHEMA
from schemas.document import OK

MIB = 2**20


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `images/requests`, write `images/store` (a tar) and `images/index`."""
    store_name = f"images/store/{part.name}.tar"
    with (
        attempt.create(store_name) as store_file,
        attempt.create(f"images/index/{part.name}.parquet") as index_file,
        StoreWriter(store_file, store_name) as store,
        RowWriter(index_file, INDEX_SCHEMA) as index,
    ):
        for request, content in _contents(attempt, part, recipe):
            attempt.counters["image_urls"] += 1
            row = _row(request, content, store, recipe)
            status = row["status"]
            attempt.counters["images" if status == OK else f"image_urls_dropped.{status}"] += 1
            index.write(row)


def _contents(attempt: Attempt, part: Part, recipe: Recipe) -> Iterator[tuple[dict[str, Any], bytes | NoImageError]]:
    """Each request with its bytes or why there are none, by archive file and offset, so that a file is opened once."""
    with attempt.run.fs.open(attempt.run.full(f"images/requests/{part.name}.parquet"), "rb") as file:
        requests = pq.read_table(file).to_pylist()
    requests.sort(key=lambda request: (request["warc_path"] or "", request["warc_offset"] or 0, request["url"]))
    limit = recipe.fetch.max_image_mib * MIB
    with ExitStack() as files:
        path, file = "", None
        for request in requests:
            if request["warc_path"] not in (None, path):
                files.close()
                path = request["warc_path"]
                file = files.enter_context(fsspec.open(path, "rb"))
            try:
                yield request, _content(request, file, limit)
            except NoImageError as error:
                yield request, error


def _content(request: dict[str, Any], file: BinaryIO | None, max_bytes: int) -> bytes:
    if request["url"].startswith("data:"):
        return decode_data_url(request["url"])
    if request["warc_path"] is None:
        raise NoImageError("not_in_archive")
    if request["status"] != 200:
        raise NoImageError(f"http_{request['status']}")
    assert file is not None
    return read_image(file, request["warc_path"], request["warc_offset"], request["url"], max_bytes=max_bytes)


def _row(request: dict[str, Any], content: bytes | NoImageError, store: StoreWriter, recipe: Recipe) -> dict[str, Any]:
    row = dict.fromkeys(INDEX_SCHEMA.names)
    row |= {"url": request["url"], "parts": request["parts"], "fetched_at": request["crawled_at"]}
    try:
        if isinstance(content, NoImageError):
            raise content
        image = prepare(content, recipe.images, max_pixels=recipe.fetch.max_megapixels * 1_000_000)
    except NoImageError as error:
        return {**row, "status": str(error)}
    return {**row, **image.row(), "status": OK, "place": store.store(image.sha256, image.mime, image.content)}
