"""Pairs from tars as others write them: indexed once, read at random, what is broken counted."""

from __future__ import annotations

import io
import json
import logging
import random
import tarfile
from pathlib import Path

import pytest
import webdataset

from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.order import SampleAddress, SampleOrder
from m3w.trainer.data.pairs import PairReader
from m3w.trainer.data.sequences import UnreadableSampleError
from m3w.trainer.data.windows import SpecialTokens


def write_pairs(path: Path, samples: list[dict[str, object]]) -> Path:
    """A tar as img2dataset writes it, by webdataset's own writer."""
    with webdataset.TarWriter(str(path), encoder=True) as writer:
        for number, sample in enumerate(samples):
            writer.write({"__key__": f"{path.stem}{number:04d}", **sample})
    return path


def reader(folder: Path, *patterns: str) -> PairReader:
    found = PairReader([str(folder / pattern) for pattern in patterns or ("*.tar",)], folder / "indexes")
    found.make_indexes()
    return found


@pytest.fixture
def pairs(tmp_path, make_png) -> Path:
    write_pairs(tmp_path / "a.tar", [{"png": make_png("red"), "txt": "a red square", "json": {"caption": "x"}}] * 3)
    write_pairs(tmp_path / "b.tar", [{"png": make_png("blue"), "json": {"caption": f" blue {n} "}} for n in range(2)])
    return tmp_path


def test_a_pair_is_an_image_and_then_its_text(pairs, make_png):
    found = reader(pairs)
    assert found.shard_sizes == (3, 2)
    first = found.read(SampleAddress(0, 1))
    assert first.texts == [None, "a red square"]
    assert first.image_bytes == [make_png("red")]
    assert [image is not None for image in first.images] == [True, False]
    assert found.read(SampleAddress(1, 1)).texts == [None, "blue 1"], "without a txt the json has the caption"


def test_what_lacks_an_image_or_a_text_is_no_pair_and_is_said(tmp_path, make_png, caplog):
    samples = [{"png": make_png(), "txt": "both"}, {"txt": "no image"}, {"png": make_png()}, {"json": {"caption": "x"}}]
    write_pairs(tmp_path / "a.tar", samples)
    with caplog.at_level(logging.INFO, "m3w.trainer"):
        assert reader(tmp_path).shard_sizes == (1,)
    assert "3 without an image or a text left out" in caplog.text


@pytest.mark.parametrize("json_text", ["[1]", "{", '{"other": "x"}', '{"caption": "  "}'])
def test_a_text_that_cannot_be_had_is_an_unreadable_sample(tmp_path, make_png, json_text):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("1.png", make_png()), ("1.json", json_text.encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(UnreadableSampleError):
        reader(tmp_path).read(SampleAddress(0, 0))


def test_an_index_is_made_once_and_anew_for_a_tar_that_changed(pairs, make_png):
    before = reader(pairs).fingerprint
    written = {path: path.stat().st_mtime_ns for path in (pairs / "indexes").iterdir()}
    assert reader(pairs).fingerprint == before
    assert {path: path.stat().st_mtime_ns for path in (pairs / "indexes").iterdir()} == written
    write_pairs(pairs / "b.tar", [{"png": make_png("blue"), "txt": "blue"}] * 9)
    changed = reader(pairs)
    assert changed.shard_sizes == (3, 9) and changed.fingerprint != before


def test_no_tar_no_pair_and_half_a_tar_are_errors_that_say_so(tmp_path, pairs, make_png):
    with pytest.raises(ValueError, match="no file matches"):
        reader(tmp_path, "nothing-*.tar")
    write_pairs(tmp_path / "empty.tar", [{"txt": "no image"}])
    with pytest.raises(ValueError, match="hold no pair"):
        _ = reader(tmp_path, "empty.tar").shard_sizes
    content = (pairs / "a.tar").read_bytes()
    (tmp_path / "half.tar").write_bytes(content[: len(content) // 3])
    with pytest.raises(ValueError, match="not a whole tar"):
        reader(tmp_path, "half.tar")


@pytest.mark.parametrize("cut", [100, 600, 1300])
def test_a_tar_cut_short_within_a_header_a_content_or_its_filling_is_an_error(tmp_path, pairs, cut):
    content = (pairs / "a.tar").read_bytes()
    (tmp_path / "half.tar").write_bytes(content[: len(content) // 3 // 512 * 512 + cut])
    with pytest.raises(ValueError, match=r"not a whole tar.*copy it again"):
        reader(tmp_path, "half.tar")


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


FORMAT = SampleFormat(
    tokenize=letters,
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
    tokens=32,
    images=1,
    p_next=0.0,
    start_at_image=True,
)


def test_a_window_of_a_pair_shows_its_image_to_its_text(pairs):
    sample = FORMAT.sample(FORMAT.tokenized(reader(pairs).read(SampleAddress(0, 0)), random.Random(0)))
    ids = sample.window.input_ids
    assert ids[:2] == [2, 1] and ids[-2:] == [2, 3]
    assert ids[2:-2] == letters("a red square")
    assert set(sample.window.phi[1:]) == {1} and len(sample.pictures) == 1


def test_half_of_the_texts_get_a_leading_space(pairs):
    from dataclasses import replace

    spaced = replace(FORMAT, leading_space=0.5)
    pair = reader(pairs).read(SampleAddress(0, 0))
    third = [spaced.sample(spaced.tokenized(pair, random.Random(n))).window.input_ids[2] for n in range(400)]
    assert set(third) == {ord(" "), ord("a")}
    assert 150 < third.count(ord(" ")) < 250


def test_pairs_are_read_in_lanes_like_sequences(pairs):
    found = reader(pairs)
    order = SampleOrder(found.shard_sizes, seed=1)
    dataset = BatchSlotDataset(found, order, FORMAT, batch_size=5, batch_slots=range(5), micro_batch_size=2)
    keys = [key for item in range(dataset.micro_batches) for key in dataset[item].keys]
    assert sorted(keys) == ["a0000-0000", "a0001-0000", "a0002-0000", "b0000-0000", "b0001-0000"]


def test_the_json_of_a_sample_need_not_be_small(tmp_path, make_png):
    fields = {"caption": "long", "exif": "x" * 100_000}
    write_pairs(tmp_path / "a.tar", [{"png": make_png(), "json": json.dumps(fields).encode()}])
    assert reader(tmp_path).read(SampleAddress(0, 0)).texts[1] == "long"
