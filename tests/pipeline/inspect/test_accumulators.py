"""Numbers and values gathered batch by batch."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from m3w.pipeline.inspect.accumulators import Distinct, Numbers, Values
from m3w.pipeline.inspect.collect import hosts, longer_by_shorter


def test_percentiles_over_batches_are_within_half_a_percent() -> None:
    drawn = np.random.default_rng(0).lognormal(6, 2, 20_000)
    numbers = Numbers("size", "bytes", (0, 10, 100), whole=False)
    for part in np.array_split(drawn, 7):
        numbers.add(pa.array(part))
    closed = numbers.close()
    for percent, value in closed.percentiles.items():
        assert abs(value / np.percentile(drawn, float(percent)) - 1) < 0.006
    assert closed.count == 20_000 and closed.highest == drawn.max()


def test_memory_does_not_grow_with_the_number_of_values() -> None:
    numbers = Numbers("size", "bytes", (0,))
    held = numbers._rounded.nbytes
    numbers.add(pa.array(range(1, 1_000_000)))
    assert numbers._rounded.nbytes == held < 2**20


def test_percentiles_of_negative_and_tiny_and_huge_numbers() -> None:
    numbers = Numbers("score", "", (0,), whole=False)
    numbers.add(pa.array([-1234.0, -0.5, 0.0, 1e-30, 0.000123, 999.9, 3e20]))
    assert numbers.close().percentiles == {"5": -1230.0, "25": -0.5, "50": 0.0, "75": 1000.0, "95": 9.99e15}


def test_a_value_on_an_edge_is_in_the_bin_that_begins_there() -> None:
    numbers = Numbers("size", "bytes", (0, 1024, 2048))
    numbers.add(pa.array([1023, 1024, 2047, 2048, 5000]))
    assert [each.count for each in numbers.close().bins] == [1, 2, 2]


def test_nulls_and_nan_are_missing() -> None:
    numbers = Numbers("words", "words", (0, 10), whole=False)
    numbers.add(pa.array([1.0, None, float("nan")]))
    closed = numbers.close()
    assert (closed.count, closed.missing, closed.mean) == (1, 2, 1.0)


def test_values_are_ordered_by_count_then_name_and_the_rest_is_others() -> None:
    values = Values("hosts", "documents")
    values.add(pa.array(["b", "a", "c", "b", None]))
    closed = values.close(listed=2)
    assert [(each.value, each.count) for each in closed.values] == [("b", 2), ("a", 1)]
    assert (closed.total, closed.distinct, closed.others, closed.exact) == (5, 4, 2, True)


def test_too_many_values_keep_the_frequent_ones_and_the_total() -> None:
    values = Values("hosts", "documents", held=100)
    for start in range(0, 1000, 50):
        values.add(pa.array([*(f"rare{number}" for number in range(start, start + 50)), "often", "often"]))
    closed = values.close(listed=1)
    assert (closed.values[0].value, closed.values[0].count) == ("often", 40)
    assert closed.total == 1040 and not closed.exact
    assert 100 < closed.distinct <= 1001
    assert values._counts.num_rows <= 100


def test_the_long_tail_is_a_distribution_of_its_own() -> None:
    values = Values("hosts", "documents")
    values.add(pa.array(["a", "a", "a", "b", "c"]))
    tail = values.per_value("Documents per host", "documents", (0, 1, 2, 3))
    assert [each.count for each in tail.bins] == [0, 2, 0, 1]


def test_distinct_hashes_are_exact_until_they_are_too_many() -> None:
    def hashes(numbers: range) -> pa.Array:
        return pa.array([hashlib.sha256(str(number).encode()).hexdigest() for number in numbers])

    distinct = Distinct(held=1000)
    distinct.add(hashes(range(400)))
    distinct.add(hashes(range(200, 600)))
    distinct.add(pa.array([None, "no hash", "ü" * 64]))
    assert (distinct.total, distinct.count, distinct.exact) == (800, 600, True)
    distinct.add(hashes(range(20_000)))
    assert not distinct.exact
    assert abs(distinct.count / 20_000 - 1) < 0.1


def test_host_of_a_url() -> None:
    urls = [
        "http://A.Example/path?x=http://b.example",
        "https://user:word@a.example:8080",
        "http://[2001:db8::1]:80/",
        "http://a.example#b@c",
        "data:image/png;base64,xx",
        "no url",
    ]
    assert hosts(pa.array(urls)).to_pylist() == ["a.example", "a.example", "[2001:db8::1]", "a.example", None, None]


def test_aspect_ratio_is_the_longer_by_the_shorter_side_and_null_without_a_size() -> None:
    ratio = longer_by_shorter(pa.array([200, 100, None], pa.int32()), pa.array([100, 300, 5], pa.int32()))
    assert ratio.to_pylist() == [2.0, 3.0, None]
