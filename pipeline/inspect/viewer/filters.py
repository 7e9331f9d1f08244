"""What a reader asks for as SQL: names from lists of ours, values as parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS, Rule
from m3w.pipeline.inspect.viewer.tables import HOST, IMAGES
from m3w.recipes.errors import InputError

SORTS = {
    "": "filename, file_row_number",
    "images": IMAGES,
    "crawled_at": "crawled_at",
    "url": "url",
    "title": "title",
}
_ID = re.compile(r"[0-9a-f]{32}")
MOST_FILTERS = 20


def signal_column(name: str) -> str:
    """The SQL of a signal of documents. Raises `InputError` for a name that is none."""
    if name not in DOCUMENT_RULE_SIGNALS:
        raise InputError(f"{name} is no signal of documents; docs/filtering.md lists them")
    return "language_score" if name == "language_score" else f'signals."{name}"'


@dataclass(frozen=True)
class Filters:
    """Conditions that all hold, the order, and whether texts are searched."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    order: str = SORTS[""]
    split: str | None = None
    searches_texts: bool = False

    @property
    def where(self) -> str:
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""

    @classmethod
    def parse(cls, query: Mapping[str, str], signals: list[str], marked: Mapping[str, list[str]]) -> Self:
        """`query` of an address; `signals` are its ranges, `NAME:MIN:MAX`; `marked` the ids by mark."""
        conditions: list[str] = []
        parameters: list[Any] = []

        def ask(condition: str, *values: Any) -> None:
            conditions.append(condition)
            parameters.extend(values)

        if language := query.get("language"):
            ask("coalesce(language, 'unknown') = ?", language)
        if host := query.get("host", "").strip().lower():
            ask(f"({HOST} = ? OR ends_with({HOST}, ?))", host, f".{host}")
        for name, sign in (("images_min", ">="), ("images_max", "<=")):
            if query.get(name):
                ask(f"{IMAGES} {sign} ?", number(query[name], name))
        for text in signals[:MOST_FILTERS]:
            _ask_signal(text, ask)
        if mark := query.get("mark"):
            ids = [each for kind in (marked if mark == "any" else [mark]) for each in marked.get(kind, [])]
            ask("list_contains(?, document_id)", ids)
        searched = _ask_words(query.get("q", "").strip(), ask)
        return cls(conditions, parameters, _order(query), query.get("split") or None, searched)


def number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} = {text} is no number; give one such as 50 or 0.3")
    return value


def _ask_signal(text: str, ask: Any) -> None:
    name, _, rest = text.partition(":")
    low, _, high = rest.partition(":")
    column = signal_column(name)
    if low or high:
        bounds = [number(bound, name) if bound else None for bound in (low, high)]
        ask(Rule(signal=name, min=bounds[0], max=bounds[1]).sql(column))


def _ask_words(words: str, ask: Any) -> bool:
    """An id, an address or a part of one, or words of title and texts."""
    if not words:
        return False
    if _ID.fullmatch(words):
        ask("document_id = ?", words)
        return False
    if re.match(r"https?://", words):
        ask("starts_with(url, ?)", words)
        return False
    ask("(contains(lower(title), lower(?)) OR contains(lower(array_to_string(texts, ' ')), lower(?)))", words, words)
    return True


def _order(query: Mapping[str, str]) -> str:
    name = query.get("sort", "")
    column = SORTS[name] if name in SORTS else signal_column(name)
    if not name:
        return column
    direction = "DESC" if query.get("order") == "desc" else "ASC"
    return f"{column} {direction} NULLS LAST, filename, file_row_number"
