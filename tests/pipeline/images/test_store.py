"""The image store."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.run import Run
from m3w.pipeline.images.store import StoreWriter


def test_an_image_is_stored_once_and_read_by_its_location(tmp_path: Path) -> None:
    attempt = Attempt(Run.create(str(tmp_path)), "fetch", "00000")
    contents = [b"one", b"two" * 1000, b"one", b"", b"x" * 512]
    places = []
    with attempt.create("images/store/00000.tar") as file, StoreWriter(file, "images/store/00000.tar") as store:
        for content in contents:
            places.append(store.store(hashlib.sha256(content).hexdigest(), "image/png", content))
    (output,) = attempt.publish()
    assert output.rows == 4
    assert places[0] == places[2]
    for content, place in zip(contents, places, strict=True):
        assert (tmp_path / place["path"]).read_bytes()[place["offset"] :][: place["size"]] == content
    with tarfile.open(tmp_path / "images/store/00000.tar") as tar:
        assert [member.name for member in tar] == [
            f"{hashlib.sha256(c).hexdigest()}.png" for c in dict.fromkeys(contents)
        ]
