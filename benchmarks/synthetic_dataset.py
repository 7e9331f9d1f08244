"""A synthetic dataset of millions of documents, fast and reproducible: numpy generates columns, not rows.

It has the layout of `assemble`: Parquet shards with row groups of 1,000 documents, an index for each tar, the manifest.
The tars do not exist, and an image has 32 random bytes, since the benchmark must read neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.synthetic_documents import WORDS
from m3w.pipeline.engine.output_files import ROWS
from m3w.pipeline.filters.signals import DATASET_SCHEMA, DOCUMENT_SIGNALS
from m3w.schemas.document import IMAGE_TYPE, TIME
from m3w.schemas.manifest import DocumentShard, Manifest, SequenceShard, Split
from m3w.schemas.sequence import INDEX_SCHEMA

DOCUMENTS_A_SHARD = 50_000
HOSTS = 200_000
IMAGE_BYTES = 32
STATUSES = np.array(["ok", "http_404", "too_small", "timeout", "opted_out"])
MIMES = np.array(["image/jpeg", "image/png", "image/webp", "image/gif"])
LANGUAGES = np.array(["en", "de", "fr", "es", "ja"])
YEAR_US = 365 * 86_400 * 1_000_000


def write_dataset(folder: Path, documents: int) -> Path:
    """Write `documents` documents under `folder`; gives the dataset's folder."""
    for name in ("documents", "sequences"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = _text()
    count = -(-documents // DOCUMENTS_A_SHARD)
    pairs = []
    for shard in range(count):
        rows = min(DOCUMENTS_A_SHARD, documents - shard * DOCUMENTS_A_SHARD)
        pairs.append(_write_shard(folder, f"train-{shard:05d}-of-{count:05d}", rows, shard, text))
    (folder / "dataset.json").write_text(_manifest(pairs).to_json())
    return folder


def _manifest(pairs: list[tuple[DocumentShard, SequenceShard]]) -> Manifest:
    documents, images = (sum(getattr(pair[0], name) for pair in pairs) for name in ("documents", "images"))
    counts = {
        "extract": {"documents": 2 * documents, "image_references": 3 * images},
        "filter": {"documents": documents, "documents_dropped.words": documents},
        "assemble": {"documents": documents, "images": images, "sequence_images": images},
    }
    split = Split(documents=[pair[0] for pair in pairs], sequences=[pair[1] for pair in pairs])
    return Manifest(m3w_version="0.1.0", recipe_sha256="0" * 64, splits={"train": split}, counts=counts)


def _text() -> bytes:
    """16 MB of words with one space between them."""
    rng = np.random.default_rng(1)
    return " ".join(WORDS[(len(WORDS) * rng.random(3_000_000) ** 3).astype(int)]).encode()[:16_000_000]


def _write_shard(folder: Path, name: str, rows: int, seed: int, text: bytes) -> tuple[DocumentShard, SequenceShard]:
    table, images = documents_table(rows, seed, text)
    path = folder / f"documents/{name}.parquet"
    pq.write_table(table, path, row_group_size=ROWS, compression="zstd")
    index = _index(images, seed)
    index_path = folder / f"sequences/{name}.index.parquet"
    pq.write_table(index, index_path, compression="zstd")
    total = int(images.sum())
    shard = DocumentShard(
        path=f"documents/{name}.parquet", sha256="0", bytes=path.stat().st_size, documents=rows, images=total
    )
    tar = SequenceShard(
        path=f"sequences/{name}.tar",
        sha256="0",
        bytes=0,
        index=f"sequences/{name}.index.parquet",
        index_sha256="0",
        samples=index.num_rows,
        images=total,
    )
    return shard, tar


def documents_table(rows: int, seed: int, text: bytes) -> tuple[pa.Table, NDArray[np.int64]]:
    """`rows` documents of `DATASET_SCHEMA`, and how many images with bytes each has."""
    rng = np.random.default_rng(seed)
    nodes = rng.geometric(0.2, rows) + 1
    offsets = np.concatenate([[0], np.cumsum(nodes)]).astype(np.int32)
    total = int(offsets[-1])
    is_image = rng.random(total) < 0.4
    is_image[offsets[:-1]] = False
    is_image[offsets[:-1] + 1] = True
    status = STATUSES[rng.choice(len(STATUSES), total, p=[0.8, 0.08, 0.07, 0.03, 0.02])]
    status[offsets[:-1] + 1] = "ok"
    has_bytes = is_image & (status == "ok")
    document = np.repeat(np.arange(rows), nodes)
    texts, words = _texts(rng, is_image, text)
    columns = _columns(rng, rows, seed) | {
        "texts": pa.ListArray.from_arrays(offsets, texts),
        "images": pa.ListArray.from_arrays(offsets, _images(rng, is_image, status)),
        "signals": _signals(rng, np.bincount(document, words, rows), np.bincount(document, is_image, rows)),
        "image_bytes": pa.ListArray.from_arrays(offsets, _bytes(rng, has_bytes)),
    }
    table = pa.table([columns[name] for name in DATASET_SCHEMA.names], names=DATASET_SCHEMA.names)
    return table.cast(DATASET_SCHEMA), np.bincount(document, has_bytes, rows).astype(np.int64)


def _columns(rng: np.random.Generator, rows: int, seed: int) -> dict[str, pa.Array]:
    number = seed * DOCUMENTS_A_SHARD + np.arange(rows)
    host = (HOSTS * rng.random(rows) ** 4).astype(int)
    strings = pa.array([None] * rows, pa.string())
    urls = np.char.add(np.char.add("https://site-", host.astype(str)), np.char.add(".example/", number.astype(str)))
    return {
        "document_id": pa.array(np.char.zfill(number.astype(str), 32)),
        "url": pa.array(urls),
        "title": pa.array(np.char.add("Document ", number.astype(str))),
        "crawled_at": pa.array(50 * YEAR_US + rng.integers(0, 5 * YEAR_US, rows), TIME),
        "warc_path": strings,
        "warc_offset": pa.array(number),
        "warc_length": pa.array(number),
        "language": pa.array(rng.choice(LANGUAGES, rows, p=[0.6, 0.15, 0.1, 0.1, 0.05])),
        "language_score": pa.array(rng.random(rows), pa.float32()),
        **dict.fromkeys(("declared_language", "canonical_url", "published_at", "license"), strings),
        "opt_out": pa.ListArray.from_arrays(np.zeros(rows + 1, np.int32), pa.array([], pa.string())),
    }


def _texts(rng: np.random.Generator, is_image: NDArray[np.bool_], text: bytes) -> tuple[pa.Array, NDArray[Any]]:
    """A node's text is a slice of `text` from wherever the last one ended; and the words of each."""
    lengths = np.where(is_image, 0, np.minimum(rng.lognormal(5.5, 0.9, len(is_image)).astype(np.int64), 8_000))
    ends = np.cumsum(lengths)
    data = text * (int(ends[-1]) // len(text) + 1)
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    valid = pa.py_buffer(np.packbits(~is_image, bitorder="little"))
    array = pa.StringArray.from_buffers(len(is_image), pa.py_buffer(offsets), pa.py_buffer(data), valid)
    return array, lengths // 6


def _images(rng: np.random.Generator, is_image: NDArray[np.bool_], status: NDArray[Any]) -> pa.Array:
    count = len(is_image)
    ok = status == "ok"
    wide, high = (rng.lognormal(6.3, 0.5, count).astype(np.int32) + 64 for _ in range(2))
    names = np.char.add("https://img.example/", rng.integers(0, 2**40, count).astype(str))
    digests = np.char.ljust(np.char.mod("%016x", rng.integers(0, 2**62, count)), 64, "0")
    fields: dict[str, Any] = {
        "url": pa.array(names),
        "alt": pa.array(np.where(rng.random(count) < 0.5, "a picture of it", "")),
        "sha256": pa.array(digests, mask=~ok),
        "mime": pa.array(MIMES[rng.choice(4, count, p=[0.7, 0.2, 0.08, 0.02])], mask=~ok),
        "width": pa.array(wide, mask=~ok),
        "height": pa.array(high, mask=~ok),
        "status": pa.array(status),
    }
    arrays = [fields.get(field.name, pa.nulls(count, field.type)).cast(field.type) for field in IMAGE_TYPE]
    return pa.StructArray.from_arrays(arrays, fields=list(IMAGE_TYPE), mask=pa.array(~is_image))


def _signals(rng: np.random.Generator, words: NDArray[Any], images: NDArray[Any]) -> pa.Array:
    known = {"words": words, "characters": words * 6, "image_nodes": images}
    values = [known.get(name, rng.beta(2, 8, len(words))).astype(np.float32) for name in DOCUMENT_SIGNALS]
    return pa.StructArray.from_arrays([pa.array(value) for value in values], names=list(DOCUMENT_SIGNALS))


def _bytes(rng: np.random.Generator, has_bytes: NDArray[np.bool_]) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(np.where(has_bytes, IMAGE_BYTES, 0))]).astype(np.int32)
    valid = pa.py_buffer(np.packbits(has_bytes, bitorder="little"))
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(has_bytes), [valid, pa.py_buffer(offsets), pa.py_buffer(rng.bytes(int(offsets[-1])))]
    )


def _index(images: NDArray[np.int64], seed: int) -> pa.Table:
    """Sequences of at most five images, the last with what is left."""
    rng = np.random.default_rng(seed + 1_000_000)
    sequences = -(-images // 5)
    count = int(sequences.sum())
    first = np.repeat(np.cumsum(sequences) - sequences, sequences)
    left = np.repeat(images, sequences) - 5 * (np.arange(count) - first)
    members = np.minimum(left, 5) + 1
    offsets = np.concatenate([[0], np.cumsum(members)]).astype(np.int32)
    suffixes = np.full(int(offsets[-1]), "0.jpg")
    suffixes[offsets[1:] - 1] = "json"
    sizes = rng.lognormal(10.5, 1, len(suffixes)).astype(np.int64)
    values = [pa.array(suffixes), pa.array(sizes), pa.array(sizes)]
    struct = pa.StructArray.from_arrays(values, ["suffix", "offset", "size"])
    names = pa.array(np.char.zfill(np.arange(count).astype(str), 8))
    numbers = pa.array(np.arange(count))
    arrays = [names, names, numbers, numbers, pa.ListArray.from_arrays(offsets, struct)]
    return pa.table(arrays, names=INDEX_SCHEMA.names).cast(INDEX_SCHEMA)
