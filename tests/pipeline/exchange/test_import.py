"""Documents of other projects become a dataset, with their images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.inline import InlineRun
from m3w.pipeline.exchange import nemo
from m3w.pipeline.exchange.export import export
from m3w.pipeline.exchange.import_documents import import_documents
from m3w.pipeline.fetch.archive import read_image
from m3w.pipeline.import_dataset import import_dataset
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import ARCHIVED_IMAGES, EXTRACTED
from m3w.recipes.errors import InputError
from m3w.schemas.document import OK

NODES = ["First.", "red", "green", "Second.", "Third.", "blue"]


def nodes(row: dict[str, Any]) -> list[str]:
    """Texts, and the colours that the pictures' URLs name."""
    urls = [image and image["url"].removeprefix("http://site.example/").removesuffix(".png") for image in row["images"]]
    return [text or url for text, url in zip(row["texts"], urls, strict=True)]


def recipe(format: str) -> Recipe:
    return Recipe.model_validate({"crawl": {"format": format, "paths": ["a"]}})


@pytest.mark.ray
def test_a_dataset_comes_back_from_an_export_with_the_same_nodes_and_bytes(
    dataset: Path, row: dict[str, Any], tmp_path: Path
) -> None:
    export("mmc4", str(dataset), str(tmp_path / "mmc4"))
    manifest = import_dataset("mmc4", [str(tmp_path / "mmc4/data/*.tar")], str(tmp_path / "run"))
    assert manifest.counts["assemble"]["images"] == 3
    shard = manifest.splits["train"].documents[0].path
    (document,) = pq.read_table(tmp_path / "run/dataset" / shard).to_pylist()
    assert nodes(document) == NODES
    assert [image["status"] for image in document["images"] if image] == [OK] * 3
    assert [content for content in document["image_bytes"] if content] == [c for c in row["image_bytes"] if c]
    assert (document["url"], document["language"]) == (row["url"], document["language"])


def test_images_of_imported_documents_can_be_read_from_the_run_by_their_url(
    row: dict[str, Any], tmp_path: Path
) -> None:
    table = pa.Table.from_pylist(nemo.write(row), schema=nemo.SCHEMA)
    lone = {"sample_id": "z", "position": 0, "modality": "text", "text_content": "No image at all."}
    bad = {"sample_id": "y", "position": 0, "modality": "image", "content_type": "image/png"}
    pq.write_table(
        pa.concat_tables([table, pa.Table.from_pylist([lone, bad], schema=nemo.SCHEMA)]), tmp_path / "a.parquet"
    )
    inline = InlineRun(tmp_path)
    counters = inline.part(import_documents, "a", recipe("nemo"), path=str(tmp_path / "a.parquet")).counters
    dropped = {"pages_dropped.no_image": 1, "pages_dropped.image_without_bytes_and_url": 1}
    assert counters.items() >= {"pages": 3, "documents": 1, "image_references": 3, **dropped}.items()
    (document,) = inline.rows(EXTRACTED, "a")
    assert nodes(document) == NODES and document["signals"]["words"] == 3
    kept = dict(zip([image and image["url"] for image in row["images"]], row["image_bytes"], strict=True))
    run, locations = inline.run, inline.rows(ARCHIVED_IMAGES, "a")
    assert len(locations) == 3
    for location in locations:
        with run.fs.open(run.full(location["warc_path"]), "rb") as file:
            content = read_image(file, location["warc_path"], location["warc_offset"], location["url"], max_bytes=10**6)
        assert content == kept[location["url"]]


def test_the_same_source_gives_the_same_bytes(row: dict[str, Any], tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(nemo.write(row), schema=nemo.SCHEMA), tmp_path / "a.parquet")
    one, two = (
        InlineRun(tmp_path / name).part(import_documents, "a", recipe("nemo"), path=str(tmp_path / "a.parquet"))
        for name in ("one", "two")
    )
    assert one.outputs == two.outputs


def test_a_wrong_format_or_source_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"coyo is not a format to import.*mmc4, nemo, obelics, pairs"):
        import_dataset("coyo", ["a"], str(tmp_path / "run"))
    with pytest.raises(InputError, match=r"obelics names images only by URL.*fetch\.source=web"):
        import_dataset("obelics", ["a"], str(tmp_path / "run"))
    with pytest.raises(InputError, match="names no file"):
        import_dataset("pairs", [str(tmp_path / "none.tar")], str(tmp_path / "run"))
    with pytest.raises(InputError, match=r"crawl\.index and crawl\.part_mib have no meaning"):
        import_dataset("pairs", ["a"], str(tmp_path / "run"), overrides=["crawl.part_mib=5"])
    assert not (tmp_path / "run").exists()


def test_tars_of_pairs_keep_the_text_behind_the_image(tmp_path: Path) -> None:
    fields = {"url": "http://site.example/red.png", "caption": "A red one."}
    table = pa.Table.from_pylist([fields])
    pq.write_table(table, tmp_path / "pairs.parquet")
    run = InlineRun(tmp_path)
    run.part(import_documents, "a", recipe("pairs"), path=str(tmp_path / "pairs.parquet"))
    (document,) = run.rows(EXTRACTED, "a")
    assert nodes(document) == ["red", "A red one."]
    assert json.dumps(document["texts"]) == '[null, "A red one."]'
