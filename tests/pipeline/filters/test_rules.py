"""Rules: a range on a signal, whose name is the reason."""

from __future__ import annotations

import math

import pytest

from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS, Rule, check_rules, first_broken
from m3w.pipeline.filters.signals.image import IMAGE_SIGNALS
from m3w.schemas.document import DOCUMENT_SIGNALS


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
def test_a_range_holds_its_bounds_and_no_value_that_is_no_number(
    rule: Rule, inside: list[float], outside: list[float]
) -> None:
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
