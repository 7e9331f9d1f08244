"""A dataset of three documents whose every number is known, written as the pipeline's stages write theirs."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from m3w.pipeline.engine.run import RUN_FORMAT
from m3w.pipeline.filters.signals import DATASET_SCHEMA, DOCUMENT_SIGNALS
from m3w.schemas.document import ImageReference, InterleavedDocument
from m3w.schemas.manifest import DocumentShard, Manifest, SequenceShard, Split
from m3w.schemas.sequence import INDEX_SCHEMA
from m3w.schemas.table import to_table

COUNTS = {
    "extract": {
        "records": 20,
        "records_passed.request": 8,
        "responses": 12,
        "images_in_archive": 5,
        "responses_dropped.not_html": 1,
        "pages": 6,
        "pages_dropped.no_image": 1,
        "documents": 5,
        "image_references": 7,
        "image_references_dropped.image_pixel": 1,
        "faults.truncated_record": 2,
    },
    "filter": {"documents": 4, "documents_dropped.language": 1},
    "deduplicate": {"copies": 0},
    "unique": {"documents": 4},
    "requests": {"image_urls": 5},
    "fetch": {"image_urls": 5, "images": 4, "image_urls_dropped.http_404": 1},
    "join": {
        "documents": 3,
        "documents_dropped.no_image_left": 1,
        "images": 3,
        "image_references_dropped.http_404": 2,
    },
    "assemble": {"documents": 3, "images": 3, "sequences": 2, "sequence_images": 3},
}


class Page(HTMLParser):
    """Tags and their attributes, as a browser would see them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def jpeg(width: int, height: int, colour: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "JPEG")
    return file.getvalue()


def image(width: int, height: int, **values: Any) -> ImageReference:
    given = {"url": "http://a.example/i.jpg", "status": "ok", "mime": "image/jpeg", "width": width, "height": height}
    return ImageReference(**{**given, **values})


def missing(status: str, **values: Any) -> ImageReference:
    return ImageReference(url="http://a.example/gone.jpg", status=status, **values)


def document(url: str, nodes: list[str | ImageReference], *, year: int = 2020, **values: Any) -> InterleavedDocument:
    texts = [node if isinstance(node, str) else None for node in nodes]
    words = sum(len(text.split()) for text in texts if text is not None)
    signals = {
        **dict.fromkeys(DOCUMENT_SIGNALS, 0.0),
        "words": words,
        "characters": 1,
        "text_nodes": 1,
        "image_nodes": 1,
    }
    return InterleavedDocument(
        url=url,
        texts=texts,
        images=[node if isinstance(node, ImageReference) else None for node in nodes],
        crawled_at=datetime(year, 5, 1, tzinfo=UTC),
        **{"language": "en", "signals": signals, **values},
    )


DOCUMENTS = [
    document("http://a.example/1", ["one two three", image(200, 100), "four", image(64, 64)], title="First"),
    document("http://A.example:80/2", [missing("http_404"), "five six", image(90, 120, mime="image/png")], year=2021),
    document("https://b.example/3", [missing("http_404"), "seven"], language="de", title="Third"),
]
"""Words 4, 2, 1; images 2, 1, 0; image nodes 2, 2, 1; text nodes 2, 1, 1."""


def write_parquet(path: Path, documents: list[InterleavedDocument]) -> None:
    rows = []
    for each in documents:
        content = [
            None if node is None or node.status != "ok" else jpeg(node.width or 1, node.height or 1)
            for node in each.images
        ]
        rows.append({**each.row(), "image_bytes": content})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(to_table(rows, DATASET_SCHEMA), path, row_group_size=2)


def write_index(path: Path, image_sizes: list[list[int]]) -> None:
    """One sequence for each list, with images of those sizes in bytes."""
    rows = []
    for number, sizes in enumerate(image_sizes):
        members = [{"suffix": f"{number}.jpg", "offset": 0, "size": size} for number, size in enumerate(sizes)]
        members.append({"suffix": "json", "offset": 0, "size": 999_999})
        rows.append({"key": f"{number}", "document_id": "x", "offset": 0, "size": 1, "members": members})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(to_table(rows, INDEX_SCHEMA), path)


WriteDataset = Callable[..., Path]


@pytest.fixture
def write_dataset(tmp_path: Path) -> WriteDataset:
    """Writes a run with the given documents as one shard of `train`; gives the run's folder."""

    def write(
        documents: list[InterleavedDocument] = DOCUMENTS, counts: dict[str, dict[str, int]] = COUNTS, name: str = "run"
    ) -> Path:
        dataset = tmp_path / name / "dataset"
        shard = "train-00000-of-00001"
        write_parquet(dataset / f"documents/{shard}.parquet", documents)
        write_index(dataset / f"sequences/{shard}.index.parquet", [[1000, 3000], [2048]])
        documents_shard = DocumentShard(
            path=f"documents/{shard}.parquet", sha256="0", bytes=4096, documents=len(documents), images=3
        )
        sequences_shard = SequenceShard(
            path=f"sequences/{shard}.tar",
            sha256="0",
            bytes=8192,
            index=f"sequences/{shard}.index.parquet",
            index_sha256="0",
            samples=2,
            images=3,
        )
        manifest = Manifest(
            m3w_version="0.1.0",
            recipe_sha256="ab" * 32,
            splits={"train": Split(documents=[documents_shard], sequences=[sequences_shard])},
            counts=counts,
        )
        (dataset / "dataset.json").write_text(manifest.to_json())
        (tmp_path / name / "recipe.yaml").write_text("rules: {languages: [en, '<de>']}\n")
        (tmp_path / name / "run.json").write_text(f'{{"format": {RUN_FORMAT}}}\n')
        return tmp_path / name

    return write


@pytest.fixture
def run_folder(write_dataset: WriteDataset) -> Path:
    return write_dataset()


@pytest.fixture
def hostile_run(write_dataset: WriteDataset) -> Path:
    """A dataset whose texts, URLs and attributes try to run something."""
    attack = '"><script>document.title=1</script><img src=x onerror=document.title=2>'
    nodes: list[str | ImageReference] = [
        attack,
        image(80, 80, alt=attack, url="javascript:alert(3)"),
        missing(attack, alt=attack),
        "</style><style>body{background:url(http://evil.example)}",
    ]
    url = f"http://evil\x1b[2J.example/{attack}"
    counts = {"extract": {"pages": 1, f"pages_dropped.{attack}": 1}}
    return write_dataset([document(url, nodes, title=attack, language=attack)], counts, name="hostile")
