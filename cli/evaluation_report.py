"""Print the results of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_results(output: Path, console: Console | None = None) -> None:
    """Print `output`/results.json: scores by number of shots, scores by group, then what could not be read."""
    console = console or Console(soft_wrap=True, highlight=False)
    results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    protocol = f"{results['queries']} queries, supports {results['choose']}"
    if results["query_image"] != "own":
        protocol += ", each with another query's picture"
    table = Table(title=f"{results['task']}: {protocol}", title_justify="left")
    _fill(table, results["summary"], ("shots",))
    console.print(table)
    if "groups" in results:
        groups = Table(title="by group", title_justify="left")
        _fill(groups, results["groups"], ("shots", "group", "queries"))
        console.print(groups)
    for name, reason in results.get("left_out", {}).items():
        console.print(f"{name} is left out: {reason}")
    for what in ("unreadable_queries", "unreadable_media"):
        if results[what]:
            first = next(iter(results[what].items()))
            console.print(f"{what.replace('_', ' ')}: {len(results[what])}, the first {first[0]}: {first[1]}")
    console.print(f"{output}/results.json; every prediction with its prompt: {output}/predictions")


def _fill(table: Table, rows: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Add a column for each metric, in the task's order, and the rows."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    for name in (*keys, *metrics):
        table.add_column(name, justify="left" if name == "group" else "right")
    by_key: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        by_key.setdefault(tuple(row[key] for key in keys), {})[row["metric"]] = _shown(row)
    for key, values in by_key.items():
        table.add_row(*map(str, key), *(values.get(name, "") for name in metrics))


def _shown(row: dict[str, Any]) -> str:
    if row["mean"] is None:
        return "not defined"
    return f"{row['mean']:.2f}" + ("" if row["spread"] is None else f" ± {row['spread']:.2f}")
