"""Rules: a range on a signal, whose name is the reason."""

from __future__ import annotations

import math
from random import Random

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS, Rule, check_rules, first_broken
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS, IMAGE_SIGNALS


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        (Rule(min=3), [3, 4, math.inf], [2.999, -1, math.nan]),
        (Rule(max=3), [3, 2, -math.inf], [3.001, math.nan]),
        (Rule(min=1, max=3), [1, 2, 3], [0.99, 3.01, math.nan]),
        (Rule(min=3, max=3), [3], [2, 4]),
        (Rule(min=0), [0, -0.0], [-0.1]),
    ],
)
def test_a_range_includes_its_bounds_and_excludes_nan(rule: Rule, inside: list[float], outside: list[float]) -> None:
    assert all(rule.holds(value) for value in inside)
    assert not any(rule.holds(value) for value in outside)


def test_the_first_rule_that_is_broken_is_the_reason() -> None:
    rules = {"short": Rule(signal="words", min=10), "tiny": Rule(signal="words", min=5), "characters": Rule(max=100)}
    assert first_broken(rules, {"words": 3, "characters": 500}) == "short"
    assert first_broken(dict(reversed(rules.items())), {"words": 3, "characters": 50}) == "tiny"
    assert first_broken(rules, {"words": 30, "characters": 500}) == "characters"
    assert first_broken(rules, {"words": 30, "characters": 50}) is None
    assert first_broken({}, {}) is None


def test_a_rule_on_an_unknown_signal_names_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"rules\.image\.tiny is a rule on the unknown signal shorter_sid; .* shorter_side"
    ):
        check_rules({"tiny": Rule(signal="shorter_sid", min=1)}, IMAGE_SIGNALS, "rules.image")
    with pytest.raises(ValueError, match="unknown signal wrods; the nearest known is words"):
        check_rules({"wrods": Rule(min=1)}, DOCUMENT_RULE_SIGNALS, "rules.document")


@pytest.mark.parametrize(
    ("name", "rule", "problem"),
    [
        ("words", Rule(), "neither min nor max"),
        ("words", Rule(min=5, max=4), "min 5 above max 4"),
        ("ok", Rule(signal="words", min=5), "reason"),
        ("too.short", Rule(signal="words", min=5), "reason"),
        ("", Rule(signal="words", min=5), "reason"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(name: str, rule: Rule, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_rules({name: rule}, DOCUMENT_RULE_SIGNALS, "rules.document")


def test_every_signal_of_a_document_can_be_ruled_on() -> None:
    check_rules({name: Rule(min=0) for name in DOCUMENT_SIGNALS}, DOCUMENT_RULE_SIGNALS, "rules.document")


def random_rule(random: Random, bounds: list[float]) -> Rule:
    low, high = sorted(random.sample(bounds, 2))
    return Rule(
        min=random.choice([None, low]),
        max=random.choice([None, high]),
        languages=random.choice([[], ["en"], ["en", "de"]]),
        unknown=random.choice(["drop", "keep"]),
    )


@pytest.mark.parametrize("column", [pa.float32(), pa.float64()], ids=str)
def test_a_rule_is_the_same_in_sql(column: pa.DataType) -> None:
    """On null, NaN, infinities, bounds, their neighbours, and what single precision makes of them."""
    random = Random(11)
    bounds = [0.0, 0.1, 0.3, 1 / 3, -0.7, 1e-7, 16_777_217.0, 1e30, *(random.uniform(-9, 9) for _ in range(20))]
    near = [float(np.float32(bound) * np.float32(1 + k * 6e-8)) for bound in bounds for k in range(-3, 4)]
    exact = [bound * (1 + k * 3e-8) for bound in bounds for k in range(-4, 5)]
    values = [None, math.nan, math.inf, -math.inf, -0.0, *bounds, *near, *exact]
    languages = [random.choice([None, "en", "de", "fr"]) for _ in values]
    table = pa.table({"number": pa.array(values, column), "language": languages})
    stored = [math.nan if value is None else value for value in table["number"].to_pylist()]
    for _ in range(60):
        rule = random_rule(random, bounds)
        holds = duckdb.sql(f'SELECT {rule.sql("number")} AS holds FROM "table"').fetchall()
        expected = [
            not rule.applies_to(language) or rule.holds(value)
            for language, value in zip(languages, stored, strict=True)
        ]
        assert [row[0] for row in holds] == expected, rule
