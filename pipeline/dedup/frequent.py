"""Images that many documents show: equal bytes, or perceptual hashes within some bits of one another.

An image is frequent if more than K documents show it or an image near it (not near to one near it: a chain
of small changes leads to another picture). Decided exactly from the K + 1 newest documents of each hash: if the lists
of the hashes nearby make more than K together it is frequent, and if they do not, none of them was cut.

Rows: `key` (the SHA-256, or 8 bytes of perceptual hash), `rank` (`order.AGE_AND_ID` of a document that shows it),
`part` (a part that has such a document; null where it is known by another row).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3w.pipeline.dedup import hamming
from m3w.pipeline.dedup.bytestrings import Bytes, sortable, to_array, to_matrix
from m3w.pipeline.dedup.ngrams import U64, mixed
from m3w.pipeline.engine.shuffle import Change, Rows

RANK_BYTES = 24
Ints = NDArray[np.int64]


def by_key(table: pa.Table, groups: int) -> pa.Table:
    """Bytes of hashes are spread evenly for SHA-256 and not for perceptual hashes, so these are mixed."""
    keys = to_matrix(table["key"])
    spread = mixed(np.ascontiguousarray(keys[:, :8]).view(">u8").ravel().astype(np.uint64))
    group = pa.array((spread % np.uint64(groups)).astype(np.int64))
    rest = table.drop_columns(["group"]) if "group" in table.column_names else table
    return rest.append_column("group", group)


def shortened(most: int) -> Change:
    """Of each key the first `most` + 1 ranks, and all its parts."""

    def change(group: pa.Table) -> pa.Table:
        keys, ranks = to_matrix(group["key"]), to_matrix(group["rank"])
        key, part = sortable(keys), group["part"].combine_chunks().dictionary_encode()
        codes = part.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        order, place = _places(key, ranks)
        keep = order[(place >= 0) & (place <= most)]
        first_of_part = np.unique(np.stack([_numbers(key), codes]), axis=1, return_index=True)[1]
        rows = np.union1d(keep, first_of_part)
        return group.select(["key", "rank", "part"]).take(pa.array(rows))

    return change


def _numbers(values: NDArray[np.bytes_]) -> Ints:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _places(key: NDArray[np.bytes_], ranks: Bytes) -> tuple[Ints, Ints]:
    """Rows by key and rank, and which of its key's distinct ranks each has; -1 for a rank met before."""
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
    """To each key the ranks of the keys within `distance`; `images` is about how many keys there are."""
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
    found: list[Bytes] = [np.zeros((0, RANK_BYTES), np.uint8)]
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        bucket = order[start:end]
        for key, near in _near_in_bucket(hashes[bucket], ranks[bucket], distance, most):
            keys += [key] * len(near)
            found.append(near)
    matrix = np.array(keys, np.uint64).astype(">u8").view(np.uint8).reshape(-1, 8)
    columns = {"key": to_array(matrix), "rank": to_array(np.concatenate(found))}
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
        order, place = _places(sortable(keys), ranks)
        number = _numbers(sortable(keys))
        last = np.full(number.max(initial=-1) + 1, -1, np.int64)
        last[number[order[place == most - 1]]] = order[place == most - 1]
        frequent = np.zeros(len(last), np.bool_)
        frequent[number[order[place == most]]] = True
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


def image_key(image: dict[str, Any], *, by_look: bool) -> bytes:
    """What makes two fetched images the same: their bytes, or their perceptual hash."""
    return bytes.fromhex(image["phash"] if by_look else image["sha256"])
