"""Threshold preview: what a rule with another range would drop, from the signals of what was kept and what was not.

Of documents, in a run: all that `extract` measured, including dropped ones, so that it also shows what would come back.
Signals are those at extraction: where rules on nodes remove texts, documents are measured again and may pass or fail a
rule that they do not here. A dataset without its run has only what was kept.

Of images, in a run: all that were fetched, including dropped ones (`images/results`); in a dataset alone, the sizes of
the images in it.
"""

from __future__ import annotations

from typing import Any

from m3w.pipeline.filters.rules import Rule, quoted
from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.inspect.examples import image_store, recipe_of
from m3w.pipeline.inspect.viewer.tables import Tables, signal_column
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.pipeline.tables import EXTRACTED, IMAGE_RESULTS
from m3w.recipes.errors import InputError
from m3w.recipes.loader import parse_yaml

BINS = 48
DOCUMENTS_LISTED = 30
IMAGES_LISTED = 60
OF_SIZES = {
    "shorter_side": "least(width, height)",
    "longer_side": "greatest(width, height)",
    "aspect_ratio": "greatest(width, height) / least(width, height)",
}


def _nearest(column: str, low: float | None, high: float | None, otherwise: str) -> str:
    """For an ORDER BY: the distance to the nearest threshold."""
    distances = [f"abs({column} - CAST({bound!r} AS DOUBLE))" for bound in (low, high) if bound is not None]
    return f"least({', '.join(distances)})" if distances else otherwise


class DocumentPreview:
    """The recipe's rules on documents, and others that a reader tries."""

    def __init__(self, tables: Tables):
        self._tables = tables
        self._recipe = _recipe(tables)
        self._extracted = tables.of_run(EXTRACTED.folder)

    def document_rules(self) -> dict[str, Rule]:
        """The recipe's rules on documents; none where it is not known."""
        return self._recipe.rules.document if self._recipe else {}

    def rules(self) -> dict[str, Any]:
        """The rules of the recipe, and whether dropped documents are included."""
        rules = self._recipe.rules if self._recipe else None
        listed = {
            name: {"signal": rule.signal or name, "min": rule.min, "max": rule.max}
            for name, rule in self.document_rules().items()
        }
        measured_again = bool(rules and (rules.text or rules.image_reference))
        return {"rules": listed, "with_dropped": self._extracted is not None, "measured_again": measured_again}

    def take(self, name: str, signal: str, low: float | None, high: float | None) -> dict[str, Any]:
        """What the rule `name` on `signal` would drop with the range `low` to `high`, with examples."""
        column = signal_column(signal)
        now, rest = self._rule(name, signal), self._others(name)
        changed = Rule(**{**(now.model_dump() if now else {}), "signal": signal, "min": low, "max": high})
        table = self._table()
        holds_now, holds = now.sql(column) if now else "true", changed.sql(column)
        sides = {
            "taken": f"NOT ({holds})",
            "newly_taken": f"kept AND NOT ({holds})",
            "back": f"NOT kept AND NOT ({holds_now}) AND ({holds}) AND ({rest})",
        }
        counts = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {side}" for side, condition in sides.items())
        (totals,) = self._tables.rows(
            f"SELECT count(*) AS documents, count(*) FILTER (WHERE kept) AS kept, "
            f"count(*) FILTER (WHERE NOT ({holds_now})) AS taken_now, {counts} FROM {table}"
        )
        order = _nearest(column, low, high, "document_id")
        examples = {side: self._examples(table, column, sides[side], order) for side in ("newly_taken", "back")}
        return {**totals, "histogram": self._histogram(table, column), "examples": examples}

    def _rule(self, name: str, signal: str) -> Rule | None:
        rule = self._recipe.rules.document.get(name) if self._recipe else None
        if rule is not None and (rule.signal or name) != signal:
            raise InputError(f"the rule {name} is on {rule.signal or name}, not on {signal}")
        return rule

    def _others(self, name: str) -> str:
        """That a document passes all other rules on documents, and is in a language of the recipe."""
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
        columns, kept = "document_id, url, title, language, language_score, signals", self._tables.documents()
        if self._extracted is None:
            return f"(SELECT {columns}, true AS kept FROM {kept})"
        return f"(SELECT {columns}, document_id IN (SELECT document_id FROM {kept}) AS kept FROM {self._extracted})"

    def _histogram(self, table: str, column: str) -> dict[str, Any]:
        """How many kept and dropped documents have a value in each of `BINS` bins of equal width.

        The last bin also holds the highest 5 percent.
        """
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

    def _examples(self, table: str, column: str, condition: str, order: str) -> list[dict[str, Any]]:
        """The documents nearest to the thresholds first."""
        return self._tables.rows(
            f"SELECT document_id, url, title, language, CASE WHEN isfinite({column}) THEN {column} END AS value, kept "
            f"FROM {table} WHERE {condition} ORDER BY {order} NULLS LAST, document_id LIMIT {DOCUMENTS_LISTED}"
        )


class ImagePreview:
    """Ranges of signals of images."""

    def __init__(self, tables: Tables):
        self._tables = tables
        self._results = tables.of_run(IMAGE_RESULTS.folder)

    def signals(self) -> list[str]:
        return list(IMAGE_SIGNALS if self._results else OF_SIZES)

    def take(self, signal: str, low: float | None, high: float | None) -> dict[str, Any]:
        """How many different images the range would drop, and those nearest to the thresholds."""
        if signal not in self.signals():
            raise InputError(f"{signal} is not a signal of images that can be previewed; docs/images.md lists them")
        table = self._table(signal)
        outside = f"NOT {Rule(signal=signal, min=low, max=high).sql('value')}"
        (totals,) = self._tables.rows(
            f"SELECT count(*) AS images, count(*) FILTER (WHERE {outside}) AS taken FROM {table}"
        )
        listed = self._tables.rows(
            f'SELECT url, value, width, height, path, "offset", size FROM {table} WHERE {outside} '
            f"ORDER BY {_nearest('value', low, high, 'url')} NULLS LAST, url LIMIT {IMAGES_LISTED}"
        )
        for row in listed:
            row["stored"] = row.pop("path") is not None and row.pop("offset") is not None and row.pop("size") > 0
        return {**totals, "examples": listed}

    def _table(self, signal: str) -> str:
        if self._results is None:
            value, images = OF_SIZES[signal], f"(SELECT unnest(images) AS image FROM {self._tables.documents()})"
            source = f'(SELECT image.*, NULL AS path, NULL AS "offset", NULL AS size FROM {images})'
        else:
            value, stored = f'signals."{signal}"', 'location.path, location."offset", location.size'
            source = f"(SELECT url, status, width, height, signals, {stored} FROM {self._results})"
        columns = ", ".join(
            f'any_value("{name}") AS "{name}"' for name in ("width", "height", "path", "offset", "size")
        )
        return (
            f"(SELECT url, CAST(any_value({value}) AS DOUBLE) AS value, {columns} FROM {source} "
            "WHERE status = 'ok' GROUP BY 1)"
        )

    def image(self, url: str) -> bytes | None:
        """The bytes of a fetched image of the run by its URL."""
        if self._results is None or self._tables.run is None:
            return None
        rows = self._tables.rows(f"SELECT location FROM {self._results} WHERE url = ? AND status = 'ok' LIMIT 1", [url])
        if not rows or rows[0]["location"] is None:
            return None
        with image_store(self._tables.run) as store:
            content: bytes = store.read(rows[0]["location"])
            return content


def _recipe(tables: Tables) -> Recipe | None:
    text = recipe_of(tables.dataset)
    if text is None:
        return None
    try:
        return parse_recipe(parse_yaml(text, "recipe.yaml"), "recipe.yaml")
    except InputError:
        return None  # a recipe of another version: only its rules are unknown
