"""`dataset.json`, written and read back."""

from __future__ import annotations

import json

import pytest

from m3w.schemas.manifest import DocumentShard, Manifest, ManifestError, SequenceShard, Split


def manifest() -> Manifest:
    documents = DocumentShard(path="documents/train-00000-of-00001.parquet", sha256="a", bytes=1, documents=2, images=3)
    sequences = SequenceShard(
        path="sequences/train-00000-of-00001.tar", sha256="b", bytes=4, index="i", index_sha256="c", samples=5, images=6
    )
    splits = {"train": Split(documents=[documents], sequences=[sequences])}
    return Manifest(m3w_version="1", recipe_sha256="d", splits=splits, counts={"extract": {"records": 7}})


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert Manifest.from_json(manifest().to_json()) == manifest()
    assert manifest().to_json() == Manifest.from_json(manifest().to_json()).to_json()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        ("[]", "format version None"),
        ("{}", "format version None"),
        ('{"format_version": 99}', "format version 99"),
        ('{"format_version": 1}', "does not match its schema"),
    ],
)
def test_a_file_that_is_not_a_manifest_of_this_version_is_named(text: str | bytes, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem) as error:
        Manifest.from_json(text, path="somewhere/dataset.json")
    assert "somewhere/dataset.json" in str(error.value)


def test_an_unknown_key_is_an_error() -> None:
    fields = {**json.loads(manifest().to_json()), "colour": "red"}
    with pytest.raises(ManifestError, match="colour"):
        Manifest.from_json(json.dumps(fields))
