"""Videos: nodes of their own kind behind a switch, which nothing fetches."""

from __future__ import annotations

from typing import Any

import pytest

from m3w.pipeline.dataset.join import join
from m3w.pipeline.dedup.deduplicate import deduplicate
from m3w.pipeline.dedup.document_hashes import document_hashes
from m3w.pipeline.dedup.unique import unique
from m3w.pipeline.extract.stage import extract
from m3w.pipeline.fetch.requests import requests
from m3w.pipeline.filters.filter import filter
from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.tables import EXTRACTED, IMAGE_RESULTS, JOINED, REQUESTS
from m3w.schemas.document import VIDEO

SENTENCE = b"<p>The kettle is filled at the spring, and the spring is behind the house, under the old elm tree.</p>"
PAGE = b"<html><body><main><h1>Tea</h1>%s<img src='/kettle.jpg' width=400 height=300>%s<video src='/tea.mp4'></video>%s"
PAGE = PAGE % (SENTENCE * 3, SENTENCE * 3, SENTENCE * 3)
SIGNALS = {**dict.fromkeys(IMAGE_SIGNALS, 1), "shorter_side": 90, "longer_side": 90}
IMAGE = "http://site.example/kettle.jpg"


def extracted(in_place: Any, archive_record: Any, *, videos: bool) -> Any:
    (in_place.folder / "crawl.warc").write_bytes(archive_record(body=PAGE))
    recipe = in_place.recipe(extract={"videos": videos})
    return in_place.part(extract, "p", recipe, path=str(in_place.folder / "crawl.warc"))


@pytest.mark.parametrize(("videos", "expected"), [(False, [None]), (True, [None, VIDEO])])
def test_the_switch_brings_videos_into_documents(
    in_place: Any, archive_record: Any, videos: bool, expected: Any
) -> None:
    entry = extracted(in_place, archive_record, videos=videos)
    (document,) = in_place.rows(EXTRACTED)
    assert [image["status"] for image in document["images"] if image] == expected
    assert entry.counters["image_references"] == document["signals"]["image_nodes"] == 1


def test_a_video_is_not_requested_and_keeps_its_position(in_place: Any, archive_record: Any) -> None:
    extracted(in_place, archive_record, videos=True)
    in_place.part(filter, "p", in_place.recipe(rules={"languages": []}))
    for stage in (document_hashes, deduplicate, unique, requests):
        in_place.stage(stage)
    rows = [row for path in in_place.inputs.outputs(REQUESTS) for row in in_place.rows_at(path)]
    assert [row["url"] for row in rows] == [IMAGE]
    picture = {
        "mime": "image/png",
        "width": 90,
        "height": 90,
        "sha256": "0" * 64,
        "phash": "0" * 16,
        "signals": SIGNALS,
    }
    location = {"path": "images/store/0.tar", "offset": 0, "size": 9}
    in_place.put(IMAGE_RESULTS, [{"url": IMAGE, "status": "ok", "location": location, **picture}])
    entry = in_place.part(join, "p", in_place.recipe(dataset={"validation_fraction": 0}))
    assert (entry.counters["images"], entry.counters["videos"]) == (1, 1)
    (document,) = in_place.rows(JOINED["train"])
    statuses = [image["status"] for image in document["images"] if image]
    assert statuses == ["ok", VIDEO] and [bool(location) for location in document["locations"] if location] == [True]
