"""Rules: a range that a signal must lie in. The rule's name is the reason of a drop."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS, LANGUAGE_SCORE
from m3w.schemas.document import OK

DOCUMENT_RULE_SIGNALS = (*DOCUMENT_SIGNALS, LANGUAGE_SCORE.name)
SINGLE_PRECISION = 6e-8
"""Largest relative difference between a number and its nearest float32 (2^-24)."""
_NAME = re.compile(r"\w+", re.ASCII)


class Rule(BaseModel):
    """A closed range on one signal; a missing bound is open.

    Bounds are compared in single precision, as signals are stored: 0.3 comes back as 0.30000001, and meets 0.3.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    signal: str | None = None
    """Defaults to the rule's own name."""
    min: float | None = None
    max: float | None = None
    languages: list[Language] = []
    """The rule holds for documents in other languages; an empty list applies it to all."""
    unknown: Literal["drop", "keep"] = "drop"
    """What to do if the value is NaN or null, such as a declared size where a page declares none."""

    def holds(self, value: float) -> bool:
        """Whether `value` is in the range. NaN is only if `unknown` is `keep`: what cannot be decided is dropped."""
        if math.isnan(value):
            return self.unknown == "keep"
        above = self.min is None or value >= self.min or _is_close(value, self.min)
        return above and (self.max is None or value <= self.max or _is_close(value, self.max))

    def applies_to(self, language: str | None) -> bool:
        return not self.languages or language in self.languages

    def sql(self, column: str, language: str = "language") -> str:
        """`not applies_to or holds` as a DuckDB condition on two columns; null counts as NaN. It is never null."""
        value = f"CAST({column} AS DOUBLE)"
        bounds = ((">=", self.min), ("<=", self.max))
        within = [_sql_bound(value, sign, bound) for sign, bound in bounds if bound is not None]
        unknown = "true" if self.unknown == "keep" else "false"
        holds = (
            f"(CASE WHEN {value} IS NULL OR isnan({value}) THEN {unknown} ELSE {' AND '.join(within) or 'true'} END)"
        )
        if not self.languages:
            return holds
        return f"(coalesce({language}, '') NOT IN ({', '.join(map(quoted, self.languages))}) OR {holds})"


def _is_close(value: float, bound: float) -> bool:
    return math.isclose(value, bound, rel_tol=SINGLE_PRECISION)


def _sql_bound(value: str, sign: str, bound: float) -> str:
    number = f"CAST('{bound!r}' AS DOUBLE)"
    close = f"abs({value} - {number}) <= {SINGLE_PRECISION!r} * greatest(abs({value}), abs({number}))"
    return f"({value} {sign} {number} OR (isfinite({value}) AND {close}))"


def quoted(text: str) -> str:
    """`text` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Broken:
    """A rule that does not hold, with the signal and the value that broke it."""

    reason: str
    """The rule's name."""
    rule: Rule
    signal: str
    value: float


def broken(rules: Mapping[str, Rule], signals: Mapping[str, float], language: str | None = None) -> Broken | None:
    """The first rule, in the recipe's order, that the signals of something in `language` break; None if all hold.

    Signals are read one by one, so that a mapping can compute them on demand.
    """
    for name, rule in rules.items():
        if rule.applies_to(language):
            signal = rule.signal or name
            value = signals[signal]
            if not rule.holds(value):
                return Broken(name, rule, signal, value)
    return None


def first_broken(rules: Mapping[str, Rule], signals: Mapping[str, float]) -> str | None:
    """The name of the first rule, in the recipe's order, that the signals break; None if all hold."""
    first = broken(rules, signals)
    return first.reason if first else None


def check_rules(rules: Mapping[str, Rule], known: Iterable[str], key: str) -> None:
    """Raise ValueError for a name that cannot be a reason, an unknown signal, an empty range, one without a bound.

    `known` are the names of signals, `key` the section of the recipe.
    """
    known = list(known)
    for name, rule in rules.items():
        if name == OK or not _NAME.fullmatch(name):
            raise ValueError(
                f"{key}.{name}: a rule's name is the reason of its drops; use letters, digits and _, not {OK}"
            )
        signal = rule.signal or name
        if signal not in known:
            near = difflib.get_close_matches(signal, known, n=1, cutoff=0)[0]
            raise ValueError(f"{key}.{name} is a rule on the unknown signal {signal}; the nearest known is {near}")
        if rule.min is None and rule.max is None:
            raise ValueError(f"{key}.{name} has neither min nor max, so it would keep everything; give one or drop it")
        if rule.min is not None and rule.max is not None and rule.min > rule.max:
            raise ValueError(
                f"{key}.{name} has min {rule.min:g} above max {rule.max:g}, so it would drop everything; swap them"
            )
