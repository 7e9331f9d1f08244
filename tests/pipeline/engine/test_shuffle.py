"""Ray Data and memory pass the same rows to the same functions, with the same result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import ray

from m3w.pipeline.dedup.copies import by_part, keep_first, near_copies
from m3w.pipeline.dedup.keys import RICHEST_BYTES, to_array
from m3w.pipeline.engine import shuffle
from m3w.pipeline.engine.execution import Needs
from m3w.pipeline.engine.shuffle import InMemory, OnRayData, Rows

pytestmark = pytest.mark.ray
PARTS = ["a", "b"]


@pytest.fixture(scope="module", autouse=True)
def ray_session() -> None:
    if not ray.is_initialized():
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)


def fingerprints(part: int) -> pa.Table:
    """Ten documents of a part; 3 shares its text with 3 of the other part, the even ones share bands in a chain."""
    ranks = np.zeros((10, RICHEST_BYTES), np.uint8)
    ranks[:, 16:24] = np.arange(10)[:, None] * 7 + part  # the id, which buckets are made of
    ranks[:, 35], ranks[:, 39] = part, np.arange(10)
    texts = [b"same" * 4 if row == 3 else None if row == 4 else bytes([part, row] * 8) for row in range(10)]
    bands = [[row // 2, row // 2 + 1 + part] if row % 2 == 0 else None for row in range(10)]
    return pa.table(
        {
            "text": pa.array(texts, pa.binary(16)),
            "bands": pa.array(bands, pa.list_(pa.uint64())),
            "rank": to_array(ranks),
            "reason": pa.array([None] * 10, pa.string()),
        }
    )


def in_memory(make: Callable[[int], pa.Table]) -> Rows:
    return InMemory(pa.concat_tables([make(0), make(1)]))


def on_ray(make: Callable[[int], pa.Table]) -> Rows:
    items, needs = [{"part": 1}, {"part": 0}], Needs(cpus=1, memory_bytes=64 * 2**20)
    return OnRayData.of(items, lambda table: make(table["part"][0].as_py()), items_a_task=1, needs=needs)


def dropped(rows: Rows) -> list[tuple[str, int, str]]:
    marked = keep_first(rows, "text", slice(0, RICHEST_BYTES), "same_text", documents=1_500_000).kept()
    near = near_copies(marked, documents=1_500_000, bands=2)
    table = marked.map(by_part(PARTS)).beside(near.map(by_part(PARTS, "near"))).table()
    return sorted((row["group"], row["row"], row["reason"]) for row in table.to_pylist())


def test_the_same_documents_go(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dropped(in_memory(fingerprints))
    assert found == dropped(on_ray(fingerprints))
    monkeypatch.setattr(shuffle, "MERGED_ABOVE_ITEMS", 1)
    assert found == dropped(on_ray(fingerprints)), "merged on the way"
    assert ("b", 3, "same_text") in found and [reason for *_, reason in found].count("near") == 9


@pytest.mark.parametrize("of", [in_memory, on_ray])
def test_without_copies_nothing_is_dropped(of: Callable[[Callable[[int], pa.Table]], Rows]) -> None:
    assert dropped(of(lambda part: fingerprints(part).slice(0, 0))) == []
    apart = of(
        lambda part: fingerprints(part).slice(5 * part, 3).drop_columns(["bands"]).append_column("bands", NO_BANDS)
    )
    assert dropped(apart) == []


NO_BANDS = pa.nulls(3, pa.list_(pa.uint64()))
