"""A document of the dataset with every kind of neighbourhood, and a dataset of it on disk."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from m3w.pipeline.filters.signals import DATASET_SCHEMA
from m3w.schemas.document import OK, ImageReference, InterleavedDocument
from m3w.schemas.manifest import DocumentShard, Manifest, Split


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (80, 70), colour).save(file, "PNG")
    return file.getvalue()


def reference(colour: str, status: str = OK) -> ImageReference:
    content = picture(colour)
    return ImageReference(
        url=f"http://site.example/{colour}.png",
        alt=f"a {colour} one",
        declared_width=80,
        declared_height=70,
        sha256=hashlib.sha256(content).hexdigest(),
        mime="image/png",
        width=80,
        height=70,
        status=status,
    )


@pytest.fixture
def row() -> dict[str, Any]:
    """Texts, two images in a row, one that was opted out, and an image at the end."""
    document = InterleavedDocument(
        url="http://site.example/page",
        title="Colours",
        language="en",
        warc_path="crawl/one.warc.gz",
        warc_offset=17,
        warc_length=300,
        texts=["First.", None, None, "Second.", None, "Third.", None],
        images=[
            None,
            reference("red"),
            reference("green"),
            None,
            reference("black", "opted_out"),
            None,
            reference("blue"),
        ],
    )
    contents = [None, picture("red"), picture("green"), None, None, None, picture("blue")]
    return {**document.row(), "image_bytes": contents}


@pytest.fixture
def dataset(row: dict[str, Any], tmp_path: Path) -> Path:
    """The folder of a dataset of that document and of one without an image left."""
    empty = {**row, "document_id": "0" * 32, "image_bytes": [None] * 7}
    empty["images"] = [image and {**image, "status": "http_404"} for image in row["images"]]
    folder = tmp_path / "dataset"
    (folder / "documents").mkdir(parents=True)
    path = folder / "documents" / "train-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist([row, empty], schema=DATASET_SCHEMA), path)
    content = path.read_bytes()
    shard = DocumentShard(
        path=f"documents/{path.name}",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        documents=2,
        images=3,
    )
    manifest = Manifest(
        m3w_version="0", recipe_sha256="", splits={"train": Split(documents=[shard], sequences=[])}, counts={}
    )
    (folder / "dataset.json").write_text(manifest.to_json())
    return folder
