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
from m3w.schemas.document import DOCUMENT_SIGNALS, OK

DOCUMENT_RULE_SIGNALS = (*DOCUMENT_SIGNALS, "language_score")
_NAME = re.compile(r"\w+", re.ASCII)


class Rule(BaseModel):
    """A closed range on one signal; a missing bound is open."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    signal: str | None = None
    """Defaults to the rule's own name."""
    min: float | None = None
    max: float | None = None
    languages: list[Language] = []
    """Documents in other languages are not asked; an empty list asks all."""
    unknown: Literal["drop", "keep"] = "drop"
    """What becomes of a value that is no number, such as a declared size where a page declares none."""

    def holds(self, value: float) -> bool:
        """A value that is no number fails, if the rule does not say otherwise: what cannot be decided is dropped."""
        if math.isnan(value):
            return self.unknown == "keep"
        above = self.min is None or value >= self.min or _same(value, self.min)
        return above and (self.max is None or value <= self.max or _same(value, self.max))

    def concerns(self, language: str | None) -> bool:
        return not self.languages or language in self.languages


def _same(value: float, bound: float) -> bool:
    """Whether two numbers are one in single precision, as signals are stored: 0.3 comes back as 0.30000001."""
    return math.isclose(value, bound, rel_tol=6e-8)


@dataclass(frozen=True)
class Broken:
    """A rule that does not hold, with what broke it."""

    reason: str
    """The rule's name."""
    rule: Rule
    signal: str
    value: float


def broken(rules: Mapping[str, Rule], signals: Mapping[str, float], language: str | None = None) -> Broken | None:
    """The first rule, in the recipe's order, that the signals of something in `language` break; None if all hold.

    Signals are asked for one by one, so that a mapping may work them out as they are needed.
    """
    for name, rule in rules.items():
        if rule.concerns(language):
            signal = rule.signal or name
            value = signals[signal]
            if not rule.holds(value):
                return Broken(name, rule, signal, value)
    return None


def first_broken(rules: Mapping[str, Rule], signals: Mapping[str, float]) -> str | None:
    """The name of the first rule, in the recipe's order, that the signals break; None if all hold."""
    found = broken(rules, signals)
    return found.reason if found else None


def check_rules(rules: Mapping[str, Rule], known: Iterable[str], key: str) -> None:
    """Raises ValueError for a name that cannot be a reason, an unknown signal, an empty range, one without a bound."""
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
