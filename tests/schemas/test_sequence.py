"""A sequence to the members of a sample and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from m3w.schemas.document import ImageReference
from m3w.schemas.sequence import Sequence, decode_sample, encode_sample


def sequence() -> Sequence:
    moment = datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    first = ImageReference(url="http://a.example/1.jpg", mime="image/jpeg", status="ok", fetched_at=moment)
    second = ImageReference(url="http://a.example/2.webp", mime="image/webp", status="ok", caption="Füchse 狐")
    return Sequence(
        document_id="0" * 32,
        url="http://a.example/",
        sequence=7,
        texts=["before", None, None, "after"],
        images=[None, first, second, None],
        image_bytes=[b"first", b"second"],
        last=False,
    )


def test_a_sample_has_a_json_and_the_images_by_number_and_format() -> None:
    sample = encode_sample(sequence())
    assert set(sample) == {"json", "0.jpg", "1.webp"}
    assert (sample["0.jpg"], sample["1.webp"]) == (b"first", b"second")
    fields = json.loads(sample["json"])
    assert set(fields) == {"document_id", "url", "sequence", "last", "texts", "images", "image_positions"}
    assert fields["image_positions"] == [1, 2]
    assert fields["texts"] == ["before", None, None, "after"]
    assert [image and image["url"] for image in fields["images"]] == [
        None, "http://a.example/1.jpg", "http://a.example/2.webp", None,
    ]  # fmt: skip


def test_a_sample_comes_back_as_it_was() -> None:
    assert decode_sample(encode_sample(sequence())) == sequence()


def test_a_sample_without_the_field_last_ends_its_document() -> None:
    sample = encode_sample(sequence())
    fields = json.loads(sample["json"])
    del fields["last"]
    assert decode_sample({**sample, "json": json.dumps(fields).encode()}).last


def test_samples_are_named_by_document_and_number_so_that_they_sort() -> None:
    assert sequence().key == "0" * 32 + "-0007"


def test_the_same_sequence_gives_the_same_bytes() -> None:
    assert encode_sample(sequence()) == encode_sample(sequence())


def test_a_sample_without_its_json_is_an_error() -> None:
    sample = encode_sample(sequence())
    del sample["json"]
    with pytest.raises(ValueError, match="has no json"):
        decode_sample(sample)


@pytest.mark.parametrize("change", ["missing", "too many"])
def test_images_that_are_not_those_of_the_json_are_an_error(change: str) -> None:
    sample = encode_sample(sequence())
    if change == "missing":
        del sample["0.jpg"]
    else:
        sample["2.jpg"] = b"third"
    with pytest.raises(ValueError, match="names 2 images"):
        decode_sample(sample)


def test_more_images_than_a_sequence_may_have_are_a_fault_of_the_caller() -> None:
    image = ImageReference(url="u", mime="image/png")
    six = Sequence(document_id="d", url="u", sequence=0, texts=[None] * 6, images=[image] * 6, image_bytes=[b"x"] * 6)
    with pytest.raises(AssertionError):
        encode_sample(six)
