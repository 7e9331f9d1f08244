"""The sequences of Parquet documents are those of the tars, in an order that belongs to the data alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from m3w.schemas.cutting import sequences_of
from m3w.schemas.document import ImageReference, InterleavedDocument, dataset_schema
from m3w.schemas.manifest import DocumentShard, Manifest, Split
from m3w.schemas.table import to_table
from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat, rank_batch_slots
from m3w.trainer.data.documents import DocumentReader
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.mixture import load_steps
from m3w.trainer.data.order import SampleAddress, SampleOrder
from m3w.trainer.data.sequences import SequenceReader, UnreadableSampleError, addresses
from m3w.trainer.data.windows import SpecialTokens

SIGNALS = ("words", "characters")

FORMAT = SampleFormat(
    tokenize=lambda text: [ord(letter) for letter in text],
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
    tokens=16,
    images=1,
)
CRAWLED = datetime(2026, 2, 3, tzinfo=UTC)


def document(number: int, png) -> tuple[InterleavedDocument, list[bytes | None]]:
    """Up to thirteen images, some of them not fetched, with texts between; every fifth document has no text."""
    texts: list[str | None] = []
    content: list[bytes | None] = []
    for place in range(1 + number * 5 % 13):
        fetched = (number + place) % 4 != 0
        texts += [None] if number % 5 == 0 else [f"before {place}", None, *[f"after {place}"] * (place % 3)]
        content += [None] * (len(texts) - len(content))
        content[-1 - (0 if number % 5 == 0 else place % 3)] = png("red", at=(number, place)) if fetched else None
    images = [
        None
        if text is not None
        else ImageReference(
            url=f"https://e.example/{place}",
            mime="image/png",
            status="ok" if content[place] else "timeout",
            fetched_at=CRAWLED,
        )
        for place, text in enumerate(texts)
    ]
    url = f"https://example.org/{number}"
    signals = dict.fromkeys(SIGNALS, 1.0)
    return InterleavedDocument(url=url, crawled_at=CRAWLED, texts=texts, images=images, signals=signals), content


@pytest.fixture(scope="module")
def both(tmp_path_factory, write_sequence_shard, make_png) -> Path:
    """A dataset of two shards, each a tar and a Parquet file of row groups of three documents."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "documents").mkdir()
    documents, sequences = [], []
    for shard in range(2):
        found = [document(number, make_png) for number in range(shard * 10, shard * 10 + 10)]
        name = f"train-{shard:05d}-of-00002"
        rows = [{**one.row(), "image_bytes": content} for one, content in found]
        path = folder / "documents" / f"{name}.parquet"
        pq.write_table(to_table(rows, dataset_schema(SIGNALS)), path, row_group_size=3)
        cut = [sequence for one, content in found for sequence in sequences_of(one, content, 5)]
        sequences.append(write_sequence_shard(folder, name, cut))
        sha256, size = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size
        documents.append(
            DocumentShard(path=f"documents/{name}.parquet", sha256=sha256, bytes=size, documents=10, images=0)
        )
    split = Split(documents=documents, sequences=sequences)
    manifest = Manifest(m3w_version="0", recipe_sha256="0" * 64, splits={"train": split}, counts={})
    (folder / "dataset.json").write_text(manifest.to_json())
    return folder


def documents_of(folder: Path, **options: int) -> DocumentReader:
    reader = DocumentReader(str(folder), "train", folder / "indexes", **options)
    reader.make_indexes()
    return reader


def test_documents_and_tars_hold_the_same_samples(both):
    tars, documents = SequenceReader(str(both), "train"), documents_of(both)
    expected = [tars.read(address) for address in addresses(tars)]
    assert [documents.read(address) for address in addresses(documents)] == expected
    assert len(expected) > 20 and any(not sequence.last for sequence in expected)


def test_a_shard_of_the_order_is_a_row_group(both):
    reader = documents_of(both)
    assert len(reader.shard_sizes) <= 8
    first = [reader.read(address).url for address in addresses(reader) if address.shard == 0]
    assert {url.rpartition("/")[2] for url in first} <= {"0", "1", "2"}


def test_other_cuts_are_other_samples(both):
    assert documents_of(both, images_per_sequence=2).fingerprint != documents_of(both).fingerprint
    assert documents_of(both).fingerprint == documents_of(both).fingerprint


def test_a_file_cut_short_is_an_error_before_the_start(both, tmp_path, monkeypatch):
    reader = documents_of(both)
    reader.check_shards(contents=True)
    reader.shards = [reader.shards[0].model_copy(update={"bytes": 7})]
    with pytest.raises(ValueError, match="truncated"):
        reader.check_shards()


def test_a_document_that_cannot_be_cut_is_unreadable_alone(both, monkeypatch):
    reader = documents_of(both)
    second = next(address for address in addresses(reader) if reader.read(address).sequence == 1)
    monkeypatch.setattr(reader, "_images", 1000)  # one sequence of each document: the second is not there
    with pytest.raises(UnreadableSampleError):
        reader.read(second)
    assert reader.read(SampleAddress(0, 0)).sequence == 0


def slot_dataset(folder: Path, rank: int = 0, ranks: int = 1) -> BatchSlotDataset:
    reader = documents_of(folder, groups_in_memory=2)
    return BatchSlotDataset(
        reader,
        SampleOrder(reader.shard_sizes, seed=4, shards_per_block=2),
        FORMAT,
        batch_size=8,
        batch_slots=rank_batch_slots(8, rank, ranks),
        micro_batch_size=8,
    )


def step_keys(dataset: BatchSlotDataset, first: int, last: int, workers: int = 0) -> list[list[str]]:
    steps = load_steps(dataset, first_step=first, last_step=last, workers=workers)
    return [[key for batch in step for key in batch.keys] for step in steps]


def test_a_stop_at_each_of_100_steps_and_a_resume_on_other_ranks_change_nothing(both):
    whole = step_keys(slot_dataset(both), 0, 101)
    ranks = {count: [slot_dataset(both, rank, count) for rank in range(count)] for count in (1, 2, 4, 8)}
    for stop in range(100):
        parts = [step_keys(part, stop, stop + 1) for part in ranks[(1, 2, 4, 8)[stop % 4]]]
        assert [key for part in parts for key in part[0]] == whole[stop]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_loader_workers_changes_nothing(both, workers):
    assert step_keys(slot_dataset(both), 2, 7, workers) == step_keys(slot_dataset(both), 2, 7)
