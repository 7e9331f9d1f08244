"""Example documents of a dataset, as they are: texts and pictures in page order, pictures small and inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq
from PIL import Image, ImageOps

from m3w.pipeline.filters.signals import DATASET_SCHEMA
from m3w.pipeline.images.decode import FORMATS
from m3w.pipeline.inspect.folder import DatasetFolder
from m3w.schemas.document import InterleavedDocument

SIDE = 320
"""Longest side of a picture in the report, in pixels."""
MAX_PIXELS = 64_000_000
ROWS = 16
"""Rows read at a time, since each brings its images."""


@dataclass(frozen=True, kw_only=True)
class Example:
    document: InterleavedDocument
    image_bytes: list[bytes | None]
    """As long as the document's images; None where it has no image with bytes."""


def example_documents(folder: DatasetFolder, count: int) -> list[Example]:
    """`count` documents at even distances over all shards; the same ones each time."""
    shards = [shard for split in folder.manifest.splits.values() for shard in split.documents]
    documents = sum(shard.documents for shard in shards)
    count = min(count, documents)
    wanted = {place * documents // count for place in range(count)}
    found: list[Example] = []
    first = 0
    for shard in shards:
        here = {row - first for row in wanted if first <= row < first + shard.documents}
        first += shard.documents
        if here:
            with folder.open_parquet(shard.path) as file:
                found += _examples(file, here)
    return found


def _examples(file: pq.ParquetFile, wanted: set[int]) -> Iterator[Example]:
    """Row groups without a wanted row are not read."""
    start = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        here = {row - start for row in wanted if start <= row < start + rows}
        start += rows
        first = 0
        for batch in (
            file.iter_batches(batch_size=ROWS, row_groups=[group], columns=DATASET_SCHEMA.names) if here else ()
        ):
            for row in range(batch.num_rows):
                if first + row in here:
                    values = batch.slice(row, 1).to_pylist()[0]
                    yield Example(document=InterleavedDocument.from_row(values), image_bytes=values["image_bytes"])
            first += batch.num_rows


def picture_url(content: bytes) -> str | None:
    """The picture as a `data:` URL of at most `SIDE` pixels; None if it cannot be decoded."""
    drawn = draw(content, SIDE)
    return None if drawn is None else "data:image/webp;base64," + base64.b64encode(drawn).decode()


def draw(content: bytes, side: int) -> bytes | None:
    """The picture drawn anew as WebP, at no more than `side` pixels; None if it cannot be decoded.

    Drawn anew, so that nothing of the bytes from the web reaches the browser.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            picture = ImageOps.exif_transpose(image)
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except Exception:  # Pillow raises OSError, ValueError, TypeError, struct.error, ... on damage; the page says so
        return None
    picture.thumbnail((side, side))
    drawn = io.BytesIO()
    picture.save(drawn, "WEBP", quality=82)
    return drawn.getvalue()
