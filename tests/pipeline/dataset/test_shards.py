"""Shards as others read them: with webdataset and Hugging Face datasets, without our code."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from m3w.pipeline.dataset.assemble import SequenceShardWriter
from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.output_files import RowWriter
from m3w.pipeline.engine.run import Run
from m3w.pipeline.filters.signals import DATASET_SCHEMA, DOCUMENT_SIGNALS
from m3w.schemas.document import ImageReference, InterleavedDocument
from m3w.schemas.sequence import INDEX_SCHEMA, Sequence, decode_sample, encode_sample
from m3w.schemas.table import SchemaError

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}


def picture(number: int, mime: str = "image/png") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (70 + number, 64), (40 * number, 10, 200)).save(file, FORMATS[mime])
    return file.getvalue()


def sequence(number: int) -> Sequence:
    mimes = [*FORMATS, "image/png"][: number % 5 + 1]
    images: list[ImageReference | None] = [
        ImageReference(url=f"u{i}", mime=mime, status="ok") for i, mime in enumerate(mimes)
    ]
    return Sequence(
        document_id=hashlib.md5(b"%d" % (number // 2)).hexdigest(),
        url="http://a.example/" + "long/" * 60,
        sequence=number % 2,
        texts=["Füchse 狐 " * 40, *[None] * len(mimes), "end"],
        images=[None, *images, None],
        image_bytes=[picture(i, mime) for i, mime in enumerate(mimes)],
    )  # fmt: skip


def write_shard(folder: Path) -> tuple[Path, Path]:
    attempt = Attempt(Run.create(str(folder)), "assemble", "train-00000-of-00001")
    with attempt.create("train.tar") as file, SequenceShardWriter(file) as tar:
        for number in range(20):
            tar.write(sequence(number))
    with attempt.create("train.index.parquet") as index_file, RowWriter(index_file, INDEX_SCHEMA) as rows:
        rows.write_columns(tar.index())
    assert [(output.path, output.rows) for output in attempt.publish()] == [
        ("train.tar", 20),
        ("train.index.parquet", 20),
    ]
    return folder / "train.tar", folder / "train.index.parquet"


def test_webdataset_reads_a_shard_without_our_code(tmp_path: Path) -> None:
    tar, _ = write_shard(tmp_path)
    samples = list(webdataset.WebDataset(str(tar), shardshuffle=False).decode("pil"))
    assert len(samples) == 20
    for number, sample in enumerate(samples):
        written = sequence(number)
        assert sample["__key__"] == written.key
        assert sample["json"]["texts"] == written.texts
        assert sample["json"]["image_positions"] == written.image_positions
        names = [name for name in sample if name[0].isdigit()]
        assert names == [name for name in encode_sample(written) if name[0].isdigit()]
        for name, content in zip(names, written.image_bytes, strict=True):
            assert isinstance(sample[name], Image.Image)
            expected = Image.open(io.BytesIO(content)).convert("RGB")
            assert np.array_equal(np.asarray(sample[name]), np.asarray(expected))


def test_the_index_names_exactly_the_bytes_of_each_member(tmp_path: Path) -> None:
    tar, index_path = write_shard(tmp_path)
    content = tar.read_bytes()
    rows = pq.read_table(index_path, schema=INDEX_SCHEMA).to_pylist()
    for number, row in enumerate(rows):
        members = {m["suffix"]: content[m["offset"] : m["offset"] + m["size"]] for m in row["members"]}
        assert decode_sample(members) == sequence(number)
        assert (row["key"], row["document_id"]) == (sequence(number).key, sequence(number).document_id)
        alone = io.BytesIO(content[row["offset"] : row["offset"] + row["size"]])
        with tarfile.open(fileobj=alone) as one:
            assert [member.name for member in one] == [f"{row['key']}.{m['suffix']}" for m in row["members"]]
    ends = [row["offset"] + row["size"] for row in rows]
    assert [row["offset"] for row in rows] == [0, *ends[:-1]], "samples lie one behind another"


def test_two_writes_give_identical_bytes(tmp_path: Path) -> None:
    first, second = write_shard(tmp_path / "first"), write_shard(tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_tar_has_no_owner_or_time(tmp_path: Path) -> None:
    with tarfile.open(write_shard(tmp_path)[0]) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, 0, "", "")}


def row(number: int) -> dict[str, Any]:
    image = ImageReference(url=f"http://a.example/{number}.png", alt="Ein Bild", mime="image/png", status="ok")
    lost = ImageReference(url="http://a.example/lost.png", status="not_in_archive")
    document = InterleavedDocument(
        url=f"http://a.example/{number}",
        texts=["before", None, "after", None],
        images=[None, image, None, lost],
        signals=dict.fromkeys(DOCUMENT_SIGNALS, 2.0),
    )
    return {**document.row(), "image_bytes": [None, picture(number % 6), None, None]}


def write_documents(folder: Path, rows: int = 50, **settings: Any) -> Path:
    attempt = Attempt(Run.create(str(folder)), "assemble", "train-00000-of-00001")
    with attempt.create("train.parquet") as file, RowWriter(file, DATASET_SCHEMA, **settings) as writer:
        for number in range(rows):
            writer.write(row(number))
    (output,) = attempt.publish()
    path = folder / "train.parquet"
    assert (output.rows, output.bytes) == (rows, path.stat().st_size)
    assert output.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return path


def test_hugging_face_datasets_reads_documents_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    path = write_documents(tmp_path)
    found = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(found) == 50
    assert found[7]["texts"] == ["before", None, "after", None]
    assert found[7]["images"][1]["alt"] == "Ein Bild"
    assert found[7]["images"][0] is None
    assert found[7]["image_bytes"] == [None, picture(1), None, None]
    assert Image.open(io.BytesIO(found[7]["image_bytes"][1])).size == (71, 64)


def test_row_groups_are_bounded_in_rows_and_in_bytes(tmp_path: Path) -> None:
    by_rows = pq.ParquetFile(write_documents(tmp_path / "rows", rows=25, max_bytes=10**9)).metadata
    assert by_rows.num_row_groups == 1
    one = sum(len(content) for content in row(0)["image_bytes"] if content) + 700
    bounded = pq.ParquetFile(write_documents(tmp_path / "bytes", rows=25, max_bytes=5 * one)).metadata
    sizes = [bounded.row_group(n).num_rows for n in range(bounded.num_row_groups)]
    assert sum(sizes) == 25
    assert 3 <= max(sizes) <= 6
    assert (
        pq.read_table(tmp_path / "bytes/train.parquet").to_pylist()
        == pq.read_table(tmp_path / "rows/train.parquet").to_pylist()
    )


def test_documents_written_twice_are_identical_bytes(tmp_path: Path) -> None:
    assert write_documents(tmp_path / "a").read_bytes() == write_documents(tmp_path / "b").read_bytes()


def test_a_document_that_breaks_the_contract_is_not_written(tmp_path: Path) -> None:
    attempt = Attempt(Run.create(str(tmp_path)), "assemble", "train")
    with (
        pytest.raises(SchemaError, match="image_bytes"),
        attempt.create("train.parquet") as file,
        RowWriter(file, DATASET_SCHEMA) as writer,
    ):
        writer.write({**row(0), "image_bytes": []})
    assert attempt.publish() == []
    assert not (tmp_path / "train.parquet").exists()
