"""The tables of a run, in the order in which its stages write them. Only the last three are read outside a run."""

from __future__ import annotations

import pyarrow as pa

from m3w.pipeline.engine.table import Table
from m3w.pipeline.filters.signals import DATASET_SCHEMA, DOCUMENT_SCHEMA, IMAGE_SIGNALS
from m3w.schemas.document import FETCHED_FIELDS, IMAGE_TYPE, TIME
from m3w.schemas.sequence import INDEX_SCHEMA, INDEX_SUFFIX

KEY_BYTES = 16
"""Bytes of the hashes by which pages, texts and paragraphs are compared."""
SPLITS = ("train", "validation")

EXTRACTED = Table("documents/extracted", DOCUMENT_SCHEMA)
ARCHIVED_IMAGES = Table(
    "images/archive",
    pa.schema(
        [
            pa.field("url", pa.string(), nullable=False),
            pa.field("status", pa.int32(), nullable=False),
            pa.field("warc_path", pa.string(), nullable=False),
            pa.field("warc_offset", pa.int64(), nullable=False),
            pa.field("crawled_at", TIME),
        ]
    ),
)
"""Image responses in the crawl's own files, and image URLs that answered with an error status."""
CARRIED_IMAGES = Table("images/carried", suffix=".warc")
"""Images of imported documents, as WARC records that `ARCHIVED_IMAGES` points to."""

KEPT = Table("documents/kept", DOCUMENT_SCHEMA)
EVALUATION_IMAGES = Table("evaluation/images", pa.schema([pa.field("hash", pa.uint64())]))
EVALUATION_TEXTS = Table("evaluation/texts", pa.schema([pa.field("hash", pa.uint64())]))
"""Sorted perceptual hashes of the evaluation images; sorted hashes of the n-grams of the evaluation texts."""
DOCUMENT_HASHES = Table(
    "duplicates/hashes",
    pa.schema(
        [
            pa.field("document_id", pa.binary(KEY_BYTES), nullable=False),
            pa.field("crawled_at", TIME),
            pa.field("images", pa.int64(), nullable=False),
            pa.field("characters", pa.int64(), nullable=False),
            pa.field("page", pa.binary(KEY_BYTES)),
            pa.field("text", pa.binary(KEY_BYTES)),
            pa.field("image_set", pa.binary(KEY_BYTES)),
            pa.field("bands", pa.list_(pa.uint64())),
            pa.field("reason", pa.string()),
        ]
    ),
)
"""Hashes by which copies are detected: a row for each row of `documents/kept`, in the same order."""
COPIES = Table("duplicates/copies", pa.schema([pa.field("row", pa.int64()), pa.field("reason", pa.string())]))
"""The numbers of the rows of `documents/kept` that are copies, and the kind of copy."""
REPEATED = Table("duplicates/repeated", pa.schema([pa.field("key", pa.binary(KEY_BYTES))]))
"""Keys of the paragraphs and image URLs that too many documents contain."""
UNIQUE = Table("documents/unique", DOCUMENT_SCHEMA)

REQUEST_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("location", pa.string(), nullable=False),
        pa.field("hops", pa.int32(), nullable=False),
        pa.field("refused", pa.string()),
        pa.field("parts", pa.list_(pa.string()), nullable=False),
        pa.field("archive_status", pa.int32()),
        pa.field("warc_path", pa.string()),
        pa.field("warc_offset", pa.int64()),
        pa.field("crawled_at", TIME),
    ]
)
REQUESTS = Table("images/requests", REQUEST_SCHEMA)
"""Each image URL of the run once, by host, with the parts whose documents show it. `location` is the URL to request:
the same or, after `hops` redirects, the target on another host. `refused` is the status of a URL that must not be
requested. The other columns are its position in the archive."""
REDIRECTS = Table("images/redirects", REQUEST_SCHEMA)
"""URLs that redirected to another host, by that host; a folder for each round of the fetch."""

STORE_LOCATION = pa.struct(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)
"""The position of an image's bytes in the store: a tar of the run, and offset and number of bytes in it."""
_RESULT_FIELDS = [
    pa.field("url", pa.string(), nullable=False),
    *(IMAGE_TYPE.field(name).with_nullable(name != "status") for name in FETCHED_FIELDS),
    pa.field("http_status", pa.int32()),
    pa.field("final_url", pa.string()),
    pa.field("hops", pa.int32()),
    pa.field("attempts", pa.int32()),
    pa.field("seconds", pa.float32()),
    pa.field("transient", pa.bool_()),
    pa.field("consent", pa.string()),
    pa.field("fetched_sha256", pa.string()),
    pa.field("fetched_bytes", pa.int64()),
    pa.field("fetched_mime", pa.string()),
    pa.field("signals", pa.struct([pa.field(name, pa.float64()) for name in IMAGE_SIGNALS])),
    pa.field("location", STORE_LOCATION),
]
INDEX = Table("images/index", pa.schema([*_RESULT_FIELDS, pa.field("parts", pa.list_(pa.string()), nullable=False)]))
"""The result of each requested URL. `http_status` to `consent` are of URLs that were requested from the web, see
`m3w.pipeline.fetch.host.Outcome`; `attempts` is 0 if the archive had the image or no request was made."""
EARLIER_RESULTS = Table("images/earlier", INDEX.schema)
"""Results of earlier builds of the run, by host, which new parts reuse."""
STORE = Table("images/store", suffix=".tar")
"""The bytes of images, as members of tars named by their SHA-256."""
IMAGE_RESULTS = Table("images/results", pa.schema(_RESULT_FIELDS))
"""The index's rows for the image URLs of one part's documents."""
FREQUENT_IMAGES = Table("images/frequent", pa.schema([pa.field("key", pa.binary()), pa.field("last", pa.binary())]))
"""Keys of the images that too many documents show; `last` is the rank of the last document that keeps its image."""
SCORES = Table(
    "images/scores",
    pa.schema(
        [
            pa.field("document_id", pa.string(), nullable=False),
            pa.field("position", pa.int32(), nullable=False),
            pa.field("signal", pa.string(), nullable=False),
            pa.field("score", pa.float64()),
        ]
    ),
)
"""The scores of the image at a position of a document, from the recipe's scorers; null if a scorer returned none."""

JOINED = {
    split: Table(
        "documents/joined",
        DOCUMENT_SCHEMA.append(pa.field("locations", pa.list_(STORE_LOCATION), nullable=False)),
        suffix=f".{split}.parquet",
    )
    for split in SPLITS
}
"""Finished documents of each split, without their images' bytes; `locations` is as long as `images`."""
DOCUMENT_SHARDS = Table("dataset/documents", DATASET_SCHEMA)
SEQUENCE_SHARDS = Table("dataset/sequences", suffix=".tar")
SEQUENCE_INDEXES = Table("dataset/sequences", INDEX_SCHEMA, suffix=INDEX_SUFFIX)
