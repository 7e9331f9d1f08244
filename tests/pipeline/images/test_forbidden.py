"""Images on a list are not stored."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.build import build
from m3w.pipeline.images.decode import NoImageError
from m3w.pipeline.images.hashes import ForbiddenImages, read_forbidden
from m3w.pipeline.images.prepare import StoredImage, prepare
from m3w.pipeline.images.section import Images
from m3w.pipeline.recipe import parse_recipe
from m3w.recipes.errors import InputError


def stored(content: bytes, listed: Path, **settings: Any) -> StoredImage:
    return prepare(content, Images(forbidden=[str(listed)], **settings), max_pixels=10**8)


def test_a_file_is_recognised_as_fetched_as_stored_and_by_its_look(tmp_path: Path, photo: Any, encoded: Any) -> None:
    content, other = encoded(photo(), "JPEG", comment=b"x"), encoded(photo().rotate(90), "JPEG")
    plain = prepare(content, Images(), max_pixels=10**8)
    assert plain.sha256 != plain.fetched_sha256
    for number, name in enumerate((plain.fetched_sha256, plain.sha256.upper(), plain.phash)):
        listed = tmp_path / f"{number}.txt"
        listed.write_text(f"# a list\n\n{'0' * 64}\n{name} # seen in March\n")
        with pytest.raises(NoImageError, match=r"^forbidden$"):
            stored(content, listed)
        assert stored(other, listed).content == other


def test_a_look_is_recognised_resized_and_encoded_again(tmp_path: Path, photo: Any, encoded: Any) -> None:
    listed = tmp_path / "looks.txt"
    listed.write_text(prepare(encoded(photo(900, 600)), Images(), max_pixels=10**8).phash)
    again = encoded(photo(900, 600).resize((400, 260)), "JPEG", quality=40)
    with pytest.raises(NoImageError, match=r"^forbidden$"):
        stored(again, listed, forbidden_distance=6)


@pytest.mark.parametrize(("allowed", "found"), [(0, False), (2, False), (3, True), (16, True)])
def test_the_distance_bounds_how_many_bits_may_differ(allowed: int, found: bool) -> None:
    listed = ForbiddenImages(["ffffffffffffffff", "00000000000000f0"], allowed)
    assert listed.has_picture("0000000000000f00") is (allowed >= 8)
    assert listed.has_picture("0000000000000017") is (allowed >= 6)
    assert listed.has_picture("1ffffffffffffffe") is (allowed >= 4)
    assert listed.has_picture("1fffffffffffffff") is found
    assert listed.has_picture("00000000000000f0")


def test_a_list_of_sha256_hashes_does_not_match_similar_images() -> None:
    assert not ForbiddenImages(["a" * 64], 16).has_picture("0" * 16)
    assert not ForbiddenImages([], 0).has_file(hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize("line", ["cat.jpg", "a" * 63, "g" * 16, "a" * 32, "0x" + "a" * 14])
def test_a_line_that_is_not_a_hash_is_an_error_before_the_build(tmp_path: Path, line: str) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{'0' * 64}\n{line}\n")
    recipe = parse_recipe({"crawl": {"paths": [__file__]}, "images": {"forbidden": [str(listed)]}}, "-")
    with pytest.raises(InputError, match="neither a SHA-256") as error:
        build(recipe, str(tmp_path / "run"))
    assert line in str(error.value) and str(listed) in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt cannot be read"):
        read_forbidden([str(tmp_path / "nowhere.txt")], 0)


def test_a_changed_list_redoes_the_fetch(tmp_path: Path, fingerprints: Any) -> None:
    listed = tmp_path / "list.txt"
    recipe = parse_recipe({"crawl": {"paths": ["-"]}, "images": {"forbidden": [str(listed)]}}, "-")
    digests = []
    for line in ("0" * 64, "1" * 64, "0" * 64):
        listed.write_text(line)
        digests.append(fingerprints(recipe))
    assert {stage for stage in digests[0] if digests[0][stage] != digests[1][stage]} == {"fetch"}
    assert digests[0] == digests[2]
