"""What of a document's fetched images is left out as a copy: in an evaluation set, too frequent, or shown before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from m3w.pipeline.dedup.evaluation import EvaluationImages
from m3w.pipeline.dedup.frequent import image_key
from m3w.pipeline.dedup.hamming import from_hex
from m3w.pipeline.dedup.order import age_and_id
from m3w.pipeline.dedup.repetition import REPEATED_IN_DOCUMENT
from m3w.pipeline.engine.settings import key, settings
from m3w.schemas.document import OK

IN_EVALUATION_SET = "in_evaluation_set"
FREQUENT_IMAGE = "frequent_image"


@settings
class ImageCopySettings:
    image_distance: int | None = key("duplicates.image_distance")
    repeated_images: bool = key("duplicates.repeated_images")
    repeated_distance: int | None = key("duplicates.repeated_distance")


class ImageCopies:
    """The copies among the images of one part's documents."""

    def __init__(
        self,
        copies: ImageCopySettings,
        phashes: Iterable[str],
        frequent: Iterable[dict[str, Any]] = (),
        evaluation: EvaluationImages | None = None,
    ):
        """`phashes` are the perceptual hashes of all images that the documents show, `frequent` rows of
        `frequent_images`."""
        self._copies = copies
        self._frequent: dict[bytes, bytes | None] = {row["key"]: row["last"] for row in frequent}
        self._in_evaluation_set: set[str] = set()
        if evaluation is not None:
            names = sorted(set(phashes))
            near = evaluation.near(from_hex(names))
            self._in_evaluation_set = {name for name, is_near in zip(names, near.tolist(), strict=True) if is_near}

    def mark(self, row: dict[str, Any], locations: list[dict[str, Any] | None]) -> None:
        """Set the status of copies among the document's `ok` images, and take their locations in the store away."""
        rank = age_and_id(_microseconds(row["crawled_at"]), row["document_id"])
        shown: list[dict[str, Any]] = []
        for number, image in enumerate(row["images"]):
            if image is None or image["status"] != OK:
                continue
            reason = self._reason(image, rank, shown)
            if reason is None:
                shown.append(image)
            else:
                image["status"], locations[number] = reason, None

    def _reason(self, image: dict[str, Any], rank: bytes, shown: list[dict[str, Any]]) -> str | None:
        if image["phash"] in self._in_evaluation_set:
            return IN_EVALUATION_SET
        if self._frequent:
            shown_as = image_key(image, by_look=self._copies.image_distance is not None)
            if shown_as in self._frequent:
                last = self._frequent[shown_as]
                if last is None or rank > last:
                    return FREQUENT_IMAGE
        if self._copies.repeated_images and self._was_shown(image, shown):
            return REPEATED_IN_DOCUMENT
        return None

    def _was_shown(self, image: dict[str, Any], shown: list[dict[str, Any]]) -> bool:
        if any(image["sha256"] == other["sha256"] for other in shown):
            return True
        distance = self._copies.repeated_distance
        if distance is None or not shown:
            return False
        others = from_hex([other["phash"] for other in shown])
        return bool((np.bitwise_count(others ^ from_hex([image["phash"]])) <= distance).any())


def _microseconds(moment: datetime | None) -> int | None:
    """Since 1970, exactly: a float of seconds would lose the last digits."""
    if moment is None:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
