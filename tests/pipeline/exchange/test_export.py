"""`m3w export`: a dataset's shards to files that the other projects' own readers open."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import webdataset

from m3w.pipeline.exchange.export import FORMS, HF_SCHEMA, export
from m3w.recipes.errors import InputError
from m3w.schemas.manifest import DatasetError


@pytest.mark.ray
def test_every_format_is_exported_and_a_second_export_writes_nothing(dataset: Path, tmp_path: Path) -> None:
    for form, how in FORMS.items():
        out = tmp_path / form
        counters = export(form, str(dataset), str(out))
        assert counters == {"documents": 1, "documents_dropped.no_image": 1, "images": 3}
        (file,) = (out / "data").iterdir()
        assert file.name == f"train-00000-of-00001{how.suffix}"
        assert "1 documents, 3 images" in (out / "README.md").read_text()
        written = file.stat().st_mtime_ns
        assert export(form, str(dataset), str(out)) == counters
        assert file.stat().st_mtime_ns == written
    (sample,) = webdataset.WebDataset(str(tmp_path / "mmc4/data/train-00000-of-00001.tar"), shardshuffle=False).decode()
    assert len(sample["json"]["image_info"]) == 3
    _check_with_datasets(tmp_path)


def _check_with_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for form in ("obelics", "nemo", "hf"):
        files = str(tmp_path / form / "data/*.parquet")
        loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
        if form == "hf":
            pictures = [image and (image.size, image.getpixel((0, 0))) for image in loaded[0]["images"]]
            assert pictures[1] == ((80, 70), (255, 0, 0)) and pictures[0] is None
            assert loaded[0]["texts"][0] == "First."


def test_the_features_of_the_hf_form_are_the_schemas(dataset: Path) -> None:
    metadata = HF_SCHEMA.metadata
    assert metadata is not None
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert list(features) == HF_SCHEMA.names


def test_an_unknown_format_and_a_folder_without_a_dataset_are_input_errors(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"coco is not a format to export to.*obelics, mmc4, nemo, hf"):
        export("coco", str(dataset), str(tmp_path / "out"))
    with pytest.raises(DatasetError, match="does not exist"):
        export("mmc4", str(tmp_path / "nowhere"), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert pq.read_metadata(dataset / "documents/train-00000-of-00001.parquet").num_rows == 2
