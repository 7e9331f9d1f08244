"""Documents to the formats of other projects and back, and those formats as their projects publish them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange import mmc4, nemo, obelics, pairs
from m3w.pipeline.exchange.documents import ImportedDocument, Reader
from m3w.recipes.errors import InputError

RED, GREEN, BLUE = (f"http://site.example/{colour}.png" for colour in ("red", "green", "blue"))
NODES = ["First.", (RED,), (GREEN,), "Second.", "Third.", (BLUE,)]
"""What of the row goes out; an image is a tuple of its URL."""


def nodes(imported: ImportedDocument) -> list[str | tuple[str, ...]]:
    document = imported.document
    return [(image.url,) if image else text or "" for text, image in zip(document.texts, document.images, strict=True)]


def every(read: Reader, path: Path) -> list[ImportedDocument | Fault]:
    with path.open("rb") as file:
        return list(read(file, str(path)))


def only(read: Reader, path: Path) -> ImportedDocument:
    (item,) = every(read, path)
    assert isinstance(item, ImportedDocument), item
    return item


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def contents(row: dict[str, Any]) -> dict[str, bytes]:
    images = zip(row["images"], row["image_bytes"], strict=True)
    return {image["url"]: content for image, content in images if content is not None}


# OBELICS


def test_a_document_comes_back_from_obelics_form_without_its_bytes(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(obelics.write(row), schema=obelics.SCHEMA), path)
    imported = only(obelics.read, path)
    assert nodes(imported) == NODES and imported.contents == {}
    document = imported.document
    assert (document.url, document.warc_path, document.warc_offset) == (row["url"], "crawl/one.warc.gz", 17)
    assert document.images[1] is not None and document.images[1].alt == "a red one"
    assert document.images[1].declared_width == 80


def test_obelics_rows_as_published_are_read(tmp_path: Path) -> None:
    said = {"document_url": "http://b.example/", "unformatted_src": "/x.jpg", "src": "http://b.example/x.jpg"}
    rows = [
        {
            "images": ["http://b.example/x.jpg", None, ""],
            "metadata": json.dumps(
                [{**said, "alt_text": "x", "rendered_width": 640, "original_width": 1280}, None, None]
            ),
            "general_metadata": json.dumps(
                {"url": "http://b.example/page", "warc_filename": "w", "warc_record_offset": 5}
            ),
            "texts": [None, "Text.", "More."],
        },
        {"images": [None], "metadata": "[null]", "general_metadata": "{}", "texts": ["no page"]},
        {
            "images": [None, None],
            "metadata": "[null]",
            "general_metadata": '{"url": "http://c.example/"}',
            "texts": ["a"],
        },
        {"images": [None], "metadata": "[nul", "general_metadata": "{}", "texts": ["broken"]},
    ]
    path = tmp_path / "published.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=obelics.SCHEMA), path)
    first, *faults = every(obelics.read, path)
    assert isinstance(first, ImportedDocument)
    assert nodes(first) == [("http://b.example/x.jpg",), "Text.", "More."]
    assert [(f.reason, f.offset) for f in faults if isinstance(f, Fault)] == [
        ("no_page_url", 1),
        ("lists_differ_in_length", 2),
        ("malformed", 3),
    ]


def test_a_file_in_another_format_is_an_error_that_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"texts": ["a"], "label": [1]}), path)
    with pytest.raises(InputError, match=r"has no column general_metadata, images, metadata.* it has texts, label"):
        every(obelics.read, path)
    with pytest.raises(InputError, match="has the columns texts, label; pairs need one of url"):
        every(pairs.read, path)
    (tmp_path / "text.parquet").write_text("no Parquet at all")
    with pytest.raises(InputError, match="is not a Parquet file"):
        every(nemo.read, tmp_path / "text.parquet")


# MMC4


def test_a_document_comes_back_from_mmc4_form_with_its_bytes(row: dict[str, Any], tmp_path: Path) -> None:
    (written,) = mmc4.write(row)
    path = write_tar(tmp_path / "shard.tar", {f"{row['document_id']}.json": json.dumps(written).encode()})
    imported = only(mmc4.read, path)
    assert nodes(imported) == NODES
    assert imported.contents == contents(row)


def test_open_flamingos_assignment_gives_each_exported_image_its_position(row: dict[str, Any]) -> None:
    """It assigns images to sentences one to one at the least cost, the negated similarities, and drops those below a
    threshold; an image stands before its sentence."""
    optimize = pytest.importorskip("scipy.optimize")
    (written,) = mmc4.write(row)
    similarity = np.array(written["similarity_matrix"])
    assert similarity.shape == (len(written["image_info"]), len(written["text_list"]))
    images, sentences = optimize.linear_sum_assignment(-similarity)
    assert similarity[images, sentences].tolist() == [1.0] * 3
    sequence = []
    for index, sentence in enumerate(written["text_list"]):
        sequence += [(written["image_info"][i]["raw_url"],) for i in images[sentences == index]]
        sequence += [sentence] if sentence else []
    assert sequence == NODES


def test_mmc4_lines_as_published_are_read(tmp_path: Path) -> None:
    info = {
        "image_name": "b9040a0dbb22.jpg",
        "raw_url": "http://d.example/1.jpg",
        "matched_sim": 0.28,
        "face_detections": None,
    }
    lines = [
        {
            "text_list": ["One.", "Two."],
            "url": "http://d.example/",
            "image_info": [{**info, "matched_text_index": 1}],
            "similarity_matrix": [[0.1, 0.28]],
            "could_have_url_duplicate": 0,
        },
        {"text_list": ["One."], "url": "http://d.example/", "image_info": [{**info, "matched_text_index": 7}]},
        {
            "text_list": ["One."],
            "url": "http://d.example/",
            "image_info": [{**info, "image_base64": "%", "matched_text_index": 0}],
        },
    ]
    path = tmp_path / "docs.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join([*(json.dumps(line) for line in lines), "no JSON"]).encode()))
    first, *faults = every(mmc4.read, path)
    assert isinstance(first, ImportedDocument) and nodes(first) == ["One.", ("http://d.example/1.jpg",), "Two."]
    assert [f.reason for f in faults if isinstance(f, Fault)] == ["no_such_sentence", "malformed", "not_json"]


def test_a_truncated_tar_gives_what_came_before_and_a_fault(row: dict[str, Any], tmp_path: Path) -> None:
    (written,) = mmc4.write(row)
    member = json.dumps(written).encode()
    path = write_tar(tmp_path / "shard.tar", {"a.json": member, "b.json": member})
    path.write_bytes(path.read_bytes()[: 512 + len(member) + 1500])
    first, fault = every(mmc4.read, path)
    assert isinstance(first, ImportedDocument)
    assert isinstance(fault, Fault) and (fault.reason, fault.offset) == ("broken_off", 1)


# Pairs


def test_tars_of_pairs_are_read_with_their_texts(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "00000.tar",
        {
            "000.jpg": b"first",
            "000.json": json.dumps({"url": "http://e.example/0.jpg", "caption": "not this"}).encode(),
            "000.txt": b" A cat. ",
            "001.json": json.dumps({"url": "http://e.example/1.jpg", "caption": "A dog."}).encode(),
            "001.webp": b"second",
            "002.txt": b"no image",
            "003.jpg": b"no text",
            "004.jpg": b"no url",
            "004.txt": b"A bird.",
        },
    )
    items = every(pairs.read, path)
    documents = [item for item in items if isinstance(item, ImportedDocument)]
    assert [nodes(imported)[1] for imported in documents] == ["A cat.", "A dog.", "A bird."]
    assert [list(imported.contents.values()) for imported in documents] == [[b"first"], [b"second"], [b"no url"]]
    assert nodes(documents[0])[0] == ("http://e.example/0.jpg",)
    assert str(nodes(documents[2])[0]).startswith("('urn:sha256:")
    assert [item.reason for item in items if isinstance(item, Fault)] == ["no_image", "no_text"]


@pytest.mark.parametrize(("url", "caption"), [("url", "caption"), ("URL", "TEXT"), ("url", "text")])
def test_tables_of_pairs_are_read_under_each_projects_names(url: str, caption: str, tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    table = {url: ["http://f.example/1.jpg", "http://f.example/1.jpg", None], caption: ["One.", "Another.", "None."]}
    pq.write_table(pa.table(table), path)
    items = every(pairs.read, path)
    documents = [item for item in items if isinstance(item, ImportedDocument)]
    assert [nodes(imported) for imported in documents] == [
        [("http://f.example/1.jpg",), text] for text in ("One.", "Another.")
    ]
    assert len({imported.document.document_id for imported in documents}) == 2, (
        "two texts of one image are two documents"
    )
    assert [item.reason for item in items if isinstance(item, Fault)] == ["no_image"]


# NeMo Curator


def test_a_document_comes_back_from_nemo_curators_rows_with_its_bytes(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = nemo.write(row)
    assert [(r["position"], r["modality"]) for r in rows[:3]] == [(-1, "metadata"), (0, "text"), (1, "image")]
    pq.write_table(pa.Table.from_pylist(rows, schema=nemo.SCHEMA), path)
    imported = only(nemo.read, path)
    assert nodes(imported) == NODES and imported.contents == contents(row)
    assert imported.document.url == row["url"]


def test_a_source_ref_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"of this machine")
    rows = [
        {"sample_id": "a", "position": 0, "modality": "image", "source_ref": json.dumps({"path": str(secret)})},
        {"sample_id": "b", "position": 1, "modality": "text", "text_content": "kept"},
    ]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=nemo.SCHEMA), path)
    fault, imported = every(nemo.read, path)
    assert isinstance(fault, Fault) and fault.reason == "image_without_bytes_and_url"
    assert isinstance(imported, ImportedDocument) and imported.document.url == "urn:sample:b"


def test_base64_is_what_the_form_carries(row: dict[str, Any]) -> None:
    (written,) = mmc4.write(row)
    first = written["image_info"][0]
    assert base64.b64decode(first["image_base64"]) == contents(row)[RED]
    assert first["image_name"].endswith(".png")
