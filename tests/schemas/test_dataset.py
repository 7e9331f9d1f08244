"""`open_dataset`: what it opens, what it refuses, and the check of shards."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3w.schemas.dataset import check_shards, open_dataset
from m3w.schemas.manifest import DatasetError, DocumentShard, Manifest, ManifestError, SequenceShard, Split

NAME = "train-00000-of-00001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with a dataset of one shard of three rows."""
    dataset = tmp_path / "run/dataset"
    (dataset / "documents").mkdir(parents=True)
    path = dataset / f"documents/{NAME}.parquet"
    pq.write_table(pa.table({"url": ["a", "b", "c"], "image_bytes": [b"1", b"2", b"3"]}), path)
    content = path.read_bytes()
    documents = DocumentShard(
        path=f"documents/{NAME}.parquet",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        documents=3,
        images=3,
    )
    sequences = SequenceShard(
        path=f"sequences/{NAME}.tar",
        sha256="0",
        bytes=1,
        index=f"sequences/{NAME}.index.parquet",
        index_sha256="0",
        samples=2,
        images=3,
    )
    manifest = Manifest(
        m3w_version="0.1.0",
        recipe_sha256="ab" * 32,
        splits={"train": Split(documents=[documents], sequences=[sequences])},
        counts={},
    )
    (dataset / "dataset.json").write_text(manifest.to_json())
    return tmp_path / "run"


def test_opens_a_dataset_and_the_one_in_a_run(folder: Path) -> None:
    for path in (folder, f"{folder}/", folder / "dataset"):
        dataset = open_dataset(str(path))
        assert dataset.path == str(folder / "dataset") and dataset.documents == 3
    assert [shard.path for shard in dataset.sequence_shards] == [f"sequences/{NAME}.tar"]


def test_opens_any_fsspec_path(folder: Path) -> None:
    fsspec.filesystem("memory").put(str(folder), "/opened", recursive=True)
    dataset = open_dataset("memory://opened")
    (file,) = map(dataset.file, dataset.document_shards)
    assert file.path == f"memory://opened/dataset/documents/{NAME}.parquet"
    check_shards([file], contents=True)


def test_reads_columns_in_batches(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    batches = list(dataset.columns(f"documents/{NAME}.parquet", ["url"], rows=2))
    assert [batch.to_pydict() for batch in batches] == [{"url": ["a", "b"]}, {"url": ["c"]}]


def test_a_split_without_sequences_is_refused(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    assert len(dataset.split("train").documents) == 1
    with pytest.raises(DatasetError, match=r"'validation' \(splits: \['train'\]\)"):
        dataset.split("validation")


def test_checks_existence_length_and_contents(folder: Path) -> None:
    dataset = open_dataset(str(folder))
    file, path = dataset.file(dataset.document_shards[0]), folder / f"dataset/documents/{NAME}.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    check_shards([file])
    with pytest.raises(DatasetError, match="SHA-256"):
        check_shards([file], contents=True)
    path.write_bytes(content[:-1])
    with pytest.raises(DatasetError, match="truncated"):
        check_shards([file])
    path.unlink()
    with pytest.raises(DatasetError, match="missing"):
        check_shards([file])


def test_an_unfinished_run_points_to_its_status(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"unfinished run.*m3w status"):
        open_dataset(str(tmp_path))


def test_a_manifest_of_another_version_is_a_dataset_error(folder: Path) -> None:
    (folder / "dataset/dataset.json").write_text('{"format_version": 99}')
    with pytest.raises(ManifestError, match="format version 99") as raised:
        open_dataset(str(folder))
    assert isinstance(raised.value, DatasetError)
