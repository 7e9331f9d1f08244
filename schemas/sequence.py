"""A sequence: a contiguous run of a document's nodes with at most five images; one WebDataset sample.

`KEY.json` holds the texts and images as parallel lists; `KEY.0.jpg`, `KEY.1.png`, ... hold the bytes of the images in
the order of `image_positions`. `webdataset.WebDataset(url).decode("pil")` reads it without our code. Each tar has an
index file with the offset of every member, so that a reader can read sample i without those before it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from m3w.schemas.document import ImageReference

IMAGES_PER_SEQUENCE = 5
"""The most images in a sequence: N in the Flamingo paper (arXiv 2204.14198, appendix A.3.1)."""

SUFFIX_OF_MIME = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
"""The suffix of an image's member in a sample, by the image's MIME type."""

INDEX_SUFFIX = ".index.parquet"
"""The index of `train-00000-of-00042.tar` is `train-00000-of-00042.index.parquet`."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field(
            "members",
            pa.list_(
                pa.struct(
                    [
                        pa.field("suffix", pa.string(), nullable=False),
                        pa.field("offset", pa.int64(), nullable=False),
                        pa.field("size", pa.int64(), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
    ]
)
"""One row per sample, in the tar's order. `offset` and `size`, in bytes, are those of the sample with its tar headers
and, in `members`, those of each file's content."""


@dataclass(slots=True, kw_only=True)
class Sequence:
    """One training sample on disk."""

    document_id: str
    url: str
    sequence: int
    """Its number in the document, from 0."""
    texts: list[str | None]
    images: list[ImageReference | None]
    image_bytes: list[bytes]
    """One item per image, in the order of `image_positions`."""
    last: bool = True
    """Whether it is the document's last sequence; True for a sample without this field."""

    @property
    def key(self) -> str:
        return f"{self.document_id}-{self.sequence:04d}"

    @property
    def image_positions(self) -> list[int]:
        return [i for i, image in enumerate(self.images) if image is not None]


def encode_sample(sequence: Sequence) -> dict[str, bytes]:
    """The sample's members by suffix: `json`, `0.jpg`, `1.png`, ...; the name of each in the tar is `KEY.SUFFIX`."""
    positions = sequence.image_positions
    assert len(positions) == len(sequence.image_bytes) <= IMAGES_PER_SEQUENCE
    fields = {
        "document_id": sequence.document_id,
        "url": sequence.url,
        "sequence": sequence.sequence,
        "last": sequence.last,
        "texts": sequence.texts,
        "images": [None if image is None else _plain(image) for image in sequence.images],
        "image_positions": positions,
    }
    sample = {"json": json.dumps(fields, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")}
    for number, (position, content) in enumerate(zip(positions, sequence.image_bytes, strict=True)):
        image = sequence.images[position]
        assert image is not None and image.mime is not None
        sample[f"{number}.{SUFFIX_OF_MIME[image.mime]}"] = content
    return sample


def decode_sample(sample: dict[str, bytes]) -> Sequence:
    """The sequence in a sample's members, given by suffix. Raises ValueError, which names what is missing or wrong."""
    if "json" not in sample:
        raise ValueError(f"a sample with the members {sorted(sample)} has no json, so its text is unknown")
    fields = json.loads(sample["json"])
    contents = {suffix.partition(".")[0]: content for suffix, content in sample.items() if suffix[0].isdigit()}
    positions = fields["image_positions"]
    if sorted(contents) != [str(number) for number in range(len(positions))]:
        raise ValueError(f"sample of {fields['document_id']} names {len(positions)} images, holds {sorted(contents)}")
    return Sequence(
        document_id=fields["document_id"],
        url=fields["url"],
        sequence=fields["sequence"],
        texts=fields["texts"],
        images=[None if image is None else _reference(image) for image in fields["images"]],
        image_bytes=[contents[str(number)] for number in range(len(positions))],
        last=fields.get("last", True),
    )


def _plain(image: ImageReference) -> dict[str, Any]:
    values = asdict(image)
    values["fetched_at"] = image.fetched_at and image.fetched_at.astimezone(UTC).isoformat()
    return values


def _reference(values: dict[str, Any]) -> ImageReference:
    fetched_at = values["fetched_at"] and datetime.fromisoformat(values["fetched_at"])
    return ImageReference(**{**values, "fetched_at": fetched_at})
