"""Threshold preview: what a rule with another range would take, from the signals of what was kept and of what was not.

In a run, documents are those that `extract` measured, dropped ones among them; so it is also seen what would come back.
Signals are those at extraction: where rules on nodes take texts out of documents, these are measured again and may pass
or fail a rule that they do not here. A dataset without its run has only what was kept.
"""

from __future__ import annotations

from typing import Any

from m3w.pipeline.filters.rules import Rule, quoted
from m3w.pipeline.inspect.viewer.filters import signal_column
from m3w.pipeline.inspect.viewer.tables import Tables
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.recipes.errors import InputError
from m3w.recipes.loader import parse_yaml

LISTED = 30
BINS = 48
EXTRACTED = "documents/extracted"


class Preview:
    """The recipe's rules on documents, and others that a reader tries."""

    def __init__(self, tables: Tables):
        self._tables = tables
        self._recipe = _recipe(tables)
        self._extracted = tables.of_run(EXTRACTED)

    def rules(self) -> dict[str, Any]:
        """The rules of the recipe, and whether what was dropped can be looked at, too."""
        rules = self._recipe.rules if self._recipe else None
        listed = {
            name: {"signal": rule.signal or name, "min": rule.min, "max": rule.max}
            for name, rule in (rules.document if rules else {}).items()
        }
        measured_again = bool(rules and (rules.text or rules.image_reference))
        return {"rules": listed, "with_dropped": self._extracted is not None, "measured_again": measured_again}

    def take(self, name: str, signal: str, low: float | None, high: float | None) -> dict[str, Any]:
        """What rule `name` on `signal` would take with the range `low` to `high`; with which documents."""
        column = f"CAST({signal_column(signal)} AS DOUBLE)"
        now, rest = self._rule(name, signal), self._others(name)
        changed = Rule(**{**(now.model_dump() if now else {}), "signal": signal, "min": low, "max": high})
        table = self._table()
        held_now, holds = now.sql(column) if now else "true", changed.sql(column)
        sides = {
            "taken": f"NOT ({holds})",
            "newly_taken": f"kept AND NOT ({holds})",
            "back": f"NOT kept AND NOT ({held_now}) AND ({holds}) AND ({rest})",
        }
        counts = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {side}" for side, condition in sides.items())
        (found,) = self._tables.rows(
            f"SELECT count(*) AS documents, count(*) FILTER (WHERE kept) AS kept, "
            f"count(*) FILTER (WHERE NOT ({held_now})) AS taken_now, {counts} FROM {table}"
        )
        return {
            **found,
            "histogram": self._histogram(table, column),
            "examples": {
                side: self._examples(table, column, sides[side], low, high) for side in ("newly_taken", "back")
            },
        }

    def _rule(self, name: str, signal: str) -> Rule | None:
        rule = self._recipe.rules.document.get(name) if self._recipe else None
        if rule is not None and (rule.signal or name) != signal:
            raise InputError(f"the rule {name} is on {rule.signal or name}, not on {signal}")
        return rule

    def _others(self, name: str) -> str:
        """That a document passes all other rules on documents, and speaks a language of the recipe."""
        if self._recipe is None:
            return "true"
        rules = self._recipe.rules
        conditions = [
            rule.sql(signal_column(rule.signal or other)) for other, rule in rules.document.items() if other != name
        ]
        if rules.languages:
            conditions.append(f"language IN ({', '.join(map(quoted, rules.languages))})")
        return " AND ".join(conditions) or "true"

    def _table(self) -> str:
        """Measured documents, with `kept`: whether they are in the dataset."""
        columns = "document_id, url, title, language, language_score, signals"
        dataset = f"(SELECT {columns}, filename, file_row_number FROM {self._tables.dataset()})"
        if self._extracted is None:
            return f"(SELECT *, true AS kept FROM {dataset})"
        return (
            f"(SELECT {columns}, document_id IN (SELECT document_id FROM {self._tables.dataset()}) AS kept "
            f"FROM {self._extracted})"
        )

    def _histogram(self, table: str, column: str) -> dict[str, Any]:
        """How many kept and dropped documents have a value in each of `BINS` bins of equal width.

        The last holds the highest 5 of 100, too."""
        (ends,) = self._tables.rows(
            f"SELECT min({column}) AS low, max({column}) AS high, quantile_cont({column}, 0.95) AS most "
            f"FROM {table} WHERE isfinite({column})"
        )
        if ends["low"] is None:
            return {"low": 0.0, "high": 1.0, "kept": [], "dropped": []}
        low, high = ends["low"], ends["most"] if ends["most"] > ends["low"] else ends["high"]
        width = (high - low) / BINS or 1.0
        rows = self._tables.rows(
            f"SELECT least(greatest(floor(({column} - ?) / ?), 0), {BINS - 1})::INTEGER AS bin, kept, "
            f"count(*) AS count FROM {table} WHERE isfinite({column}) GROUP BY 1, 2",
            [low, width],
        )
        counts = {"kept": [0] * BINS, "dropped": [0] * BINS}
        for row in rows:
            counts["kept" if row["kept"] else "dropped"][row["bin"]] = row["count"]
        return {"low": low, "high": low + BINS * width, "highest": ends["high"], **counts}

    def _examples(
        self, table: str, column: str, condition: str, low: float | None, high: float | None
    ) -> list[dict[str, Any]]:
        """The documents nearest to the thresholds first."""
        distances = [f"abs({column} - CAST({bound!r} AS DOUBLE))" for bound in (low, high) if bound is not None]
        nearest = f"least({', '.join(distances)})" if distances else "document_id"
        return self._tables.rows(
            f"SELECT document_id, url, title, language, CASE WHEN isfinite({column}) THEN {column} END AS value, kept "
            f"FROM {table} WHERE {condition} ORDER BY {nearest} NULLS LAST, document_id LIMIT {LISTED}"
        )


def _recipe(tables: Tables) -> Recipe | None:
    text = tables.folder.recipe()
    if text is None:
        return None
    try:
        return parse_recipe(parse_yaml(text, "recipe.yaml"), "recipe.yaml")
    except InputError:
        return None  # a recipe of another version: its rules are not known here, all else is
