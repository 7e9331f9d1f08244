"""The Arrow schemas of what lies between the stages of a run; nothing outside a run reads these."""

from __future__ import annotations

import pyarrow as pa

from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA, IMAGE_SIGNALS
from m3w.schemas.document import TIME

FAULT_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("url", pa.string()),
    ]
)
"""`quarantine/`: what could not be read, and where it lies."""

ARCHIVE_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("status", pa.int32(), nullable=False),
        pa.field("warc_path", pa.string(), nullable=False),
        pa.field("warc_offset", pa.int64(), nullable=False),
        pa.field("crawled_at", TIME),
    ]
)
"""`images/archive/`: image responses in the crawl's own files, and URLs that answered with another status."""

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
"""`images/requests/`: each image URL of the run once, and the parts whose documents show it. `location` is what is
asked for: the URL or, after `hops` redirects, where another host sent us. `refused` is the status of a URL that is not
to be asked for. The rest is its place in the archive."""

PLACE_TYPE = pa.struct(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)
"""Where an image's bytes lie in the store: a tar of the run, and the offset and number of bytes in it."""

IMAGE_FIELDS = [
    pa.field("url", pa.string(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("fetched_at", TIME),
    pa.field("http_status", pa.int32()),
    pa.field("final_url", pa.string()),
    pa.field("hops", pa.int32()),
    pa.field("attempts", pa.int32()),
    pa.field("seconds", pa.float32()),
    pa.field("transient", pa.bool_()),
    pa.field("consent", pa.string()),
    pa.field("sha256", pa.string()),
    pa.field("mime", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("phash", pa.string()),
    pa.field("fetched_sha256", pa.string()),
    pa.field("fetched_bytes", pa.int64()),
    pa.field("fetched_mime", pa.string()),
    pa.field("signals", pa.struct([pa.field(name, pa.float64()) for name in IMAGE_SIGNALS])),
    pa.field("place", PLACE_TYPE),
]
INDEX_SCHEMA = pa.schema([*IMAGE_FIELDS, pa.field("parts", pa.list_(pa.string()), nullable=False)])
"""`images/index/`: what became of each requested URL. From `http_status` to `consent`: of URLs that were asked for, see
`m3w.pipeline.fetch.host.Outcome`; `attempts` is 0 where the archive had the image or nothing was to be asked."""

LINK_SCHEMA = pa.schema(IMAGE_FIELDS)
"""`images/links/`: the index's rows for the image URLs of one part's documents."""

SCORE_SCHEMA = pa.schema(
    [
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("signal", pa.string(), nullable=False),
        pa.field("score", pa.float64()),
    ]
)
"""`images/scores/`: what the recipe's scorers say of the image at a position of a document; null for no number."""

JOINED_SCHEMA = DOCUMENT_SCHEMA.append(pa.field("places", pa.list_(PLACE_TYPE), nullable=False))
"""`documents/joined/`: finished documents, but for their images' bytes; `places` is as long as `images`."""
