"""Rules: a range that a signal must lie in. The rule's name is the reason of a drop."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from schemas.document import DOCUMENT_SIGNALS, OK

DOCUMENT_RULE_SIGNALS = (*DOCUMENT_SIGNALS, "language_score")
_NAME = re.compile(r"\w+", re.ASCII)


class Rule(BaseModel):
    """A closed range on one signal; a missing bound is open."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    signal: str | None = None
    """Defaults to the rule's own name."""
    min: float | None = None
    max: float | None = None

    def holds(self, value: float) -> bool:
        """A value that is no number fails: what cannot be decided is dropped."""
        if math.isnan(value):
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


def first_broken(rules: Mapping[str, Rule], signals: Mapping[str, float]) -> str | None:
    """The name of the first rule, in the recipe's order, that the signals break; None if all hold."""
    for name, rule in rules.items():
        if not rule.holds(signals[rule.signal or name]):
            return name
    return None


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
