"""Images that are left out as copies: of an evaluation set, of too many documents, or of one higher up in the document.

An image is frequent if more than K documents show it or an image near it (but not one near to that one: a chain of
small changes leads to another picture). Near are equal bytes, or perceptual hashes within some bits. This is decided
exactly from the K + 1 newest documents of each hash: if the lists of the nearby hashes have more than K documents
together, the image is frequent; if not, none of the lists was cut.

Rows: `key` (the SHA-256, or the 8 bytes of the perceptual hash), `rank` (`keys.AGE_AND_ID` of a document that shows
it), `part` (a part that has such a document; null where another row names it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3w.pipeline.dedup import hamming
from m3w.pipeline.dedup.evaluation import EvaluationImages
from m3w.pipeline.dedup.keys import Bytes, age_and_id, sortable, to_array, to_matrix
from m3w.pipeline.dedup.minhash import U64, mixed
from m3w.pipeline.dedup.repetition import REPEATED_IN_DOCUMENT
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.shuffle import Change, Rows
from m3w.schemas.document import OK

IN_EVALUATION_SET = "in_evaluation_set"
FREQUENT_IMAGE = "frequent_image"
RANK_BYTES = 24
Ints = NDArray[np.int64]


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
            near = evaluation.near(hamming.from_hex(names))
            self._in_evaluation_set = {name for name, is_near in zip(names, near.tolist(), strict=True) if is_near}

    def mark(self, row: dict[str, Any], locations: list[dict[str, Any] | None]) -> None:
        """Set the status of copies among the document's `ok` images, and remove their locations in the store."""
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
            shown_as = image_key(image, by_phash=self._copies.image_distance is not None)
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
        others = hamming.from_hex([other["phash"] for other in shown])
        return bool((np.bitwise_count(others ^ hamming.from_hex([image["phash"]])) <= distance).any())


def _microseconds(moment: datetime | None) -> int | None:
    """Since 1970, exactly: a float of seconds would lose the last digits."""
    if moment is None:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def by_key(table: pa.Table, groups: int) -> pa.Table:
    """Rows grouped by key. The bits of perceptual hashes are not spread evenly, so they are mixed."""
    keys = to_matrix(table["key"])
    spread = mixed(np.ascontiguousarray(keys[:, :8]).view(">u8").ravel().astype(np.uint64))
    group = pa.array((spread % np.uint64(groups)).astype(np.int64))
    rest = table.drop_columns(["group"]) if "group" in table.column_names else table
    return rest.append_column("group", group)


def shortened(most: int) -> Change:
    """Keep of each key the first `most` + 1 ranks, and all its parts."""

    def change(group: pa.Table) -> pa.Table:
        keys, ranks = to_matrix(group["key"]), to_matrix(group["rank"])
        key, part = sortable(keys), group["part"].combine_chunks().dictionary_encode()
        codes = part.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        order, number = _rank_numbers(key, ranks)
        keep = order[(number >= 0) & (number <= most)]
        first_of_part = np.unique(np.stack([_numbers(key), codes]), axis=1, return_index=True)[1]
        rows = np.union1d(keep, first_of_part)
        return group.select(["key", "rank", "part"]).take(pa.array(rows))

    return change


def _numbers(values: NDArray[np.bytes_]) -> Ints:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _rank_numbers(key: NDArray[np.bytes_], ranks: Bytes) -> tuple[Ints, Ints]:
    """Rows ordered by key and rank; and the number of each row's rank among those of its key, -1 for a repeated one."""
    rank = sortable(ranks)
    order = np.lexsort((rank, key))
    key, rank = key[order], rank[order]
    new_key = np.ones(len(key), np.bool_)
    new_key[1:] = key[1:] != key[:-1]
    new = new_key.copy()
    new[1:] |= rank[1:] != rank[:-1]
    count = np.cumsum(new) - 1
    starts = count[new_key][np.cumsum(new_key) - 1] if len(key) else count
    return order, np.where(new, count - starts, -1)


def with_near(rows: Rows, distance: int, most: int, images: int, groups: int) -> Rows:
    """Add to each key the ranks of the keys within `distance`; `images` is about how many keys there are."""
    masks = hamming.masks(distance, images)
    own = rows.kept()
    apart = own.map(lambda table: _under_masks(table, masks, groups))
    near = apart.by_group(lambda group: _near(group, distance, most))
    return own.beside(near).map(lambda table: by_key(table, groups)).by_group(shortened(most))


def _under_masks(table: pa.Table, masks: list[int], groups: int) -> pa.Table:
    hashes = _hashes(table)
    rest = table.select(["key", "rank"])
    pieces = []
    for number, mask in enumerate(masks):
        under = hamming.keys(hashes, mask, number)
        columns = {"group": pa.array((under % np.uint64(groups)).astype(np.int64)), "under": pa.array(under)}
        pieces.append(rest.append_column("group", columns["group"]).append_column("under", columns["under"]))
    return pa.concat_tables(pieces)


def _hashes(table: pa.Table) -> U64:
    values: U64 = np.ascontiguousarray(to_matrix(table["key"])).view(">u8").ravel().astype(np.uint64)
    return values


def _near(group: pa.Table, distance: int, most: int) -> pa.Table:
    """For each hash the first ranks of the others nearby, bucket by bucket."""
    hashes, ranks, under = _hashes(group), to_matrix(group["rank"]), group["under"].to_numpy()
    order = np.lexsort((sortable(ranks), under))
    ends = np.flatnonzero(np.append(under[order][1:] != under[order][:-1], True)) + 1
    keys: list[int] = []
    near_ranks: list[Bytes] = [np.zeros((0, RANK_BYTES), np.uint8)]
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        bucket = order[start:end]
        for hash_, near in _near_in_bucket(hashes[bucket], ranks[bucket], distance, most):
            keys += [hash_] * len(near)
            near_ranks.append(near)
    matrix = np.array(keys, np.uint64).astype(">u8").view(np.uint8).reshape(-1, 8)
    columns = {"key": to_array(matrix), "rank": to_array(np.concatenate(near_ranks))}
    return pa.table({**columns, "part": pa.nulls(len(keys), pa.string())})


def _near_in_bucket(hashes: U64, ranks: Bytes, distance: int, most: int) -> Iterator[tuple[int, Bytes]]:
    """Each hash that has others nearby, with the first `most` + 1 of their ranks; `ranks` are in order."""
    distinct, number = np.unique(hashes, return_inverse=True)
    document = np.unique(sortable(ranks), return_inverse=True)[1]
    for first, near in hamming.near_blocks(distinct, distance) if len(distinct) > 1 else ():
        for i in np.flatnonzero(near.any(axis=1)).tolist():
            rows = np.flatnonzero(near[i][number])
            firsts = np.unique(document[rows], return_index=True)[1][: most + 1]
            yield int(distinct[first + i]), ranks[rows[firsts]]


def decided(most: int, keep_first: bool) -> Change:
    """Frequent keys by part: `group`, `key`, and `last`, the rank of the last document that keeps it (null: none)."""

    def change(group: pa.Table) -> pa.Table:
        keys, ranks = to_matrix(group["key"]), to_matrix(group["rank"])
        order, rank_number = _rank_numbers(sortable(keys), ranks)
        number = _numbers(sortable(keys))
        last = np.full(number.max(initial=-1) + 1, -1, np.int64)
        last[number[order[rank_number == most - 1]]] = order[rank_number == most - 1]
        frequent = np.zeros(len(last), np.bool_)
        frequent[number[order[rank_number == most]]] = True
        known = group["part"].is_valid().to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(frequent[number] & known)
        limits = to_array(ranks[last[number[rows]]])
        table = pa.table(
            {
                "group": group["part"].take(pa.array(rows)),
                "key": to_array(keys[rows]),
                "last": limits if keep_first else pa.nulls(len(rows), limits.type),
            }
        )
        return table.group_by(["group", "key", "last"]).aggregate([])

    return change


def spread(groups: int) -> Change:
    return lambda table: by_key(table, groups)


def image_key(image: dict[str, Any], *, by_phash: bool) -> bytes:
    """The key of a fetched image: its perceptual hash or its SHA-256."""
    return bytes.fromhex(image["phash"] if by_phash else image["sha256"])
