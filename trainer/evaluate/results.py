"""Results: each metric by shots and seed, its mean and spread over seeds, and the same by groups of queries."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.scoring import METRICS, Pairs, Prediction, Score
from m3w.trainer.evaluate.tasks.source import Example


def paired(queries: Sequence[Example], lines: dict[str, dict[str, Any]]) -> tuple[Pairs, dict[str, str]]:
    """Each query with its prediction; and the reason for each query whose picture could not be read."""
    pairs, unreadable = [], {}
    for query in queries:
        line = lines[query.key]
        if "unreadable" in line:
            unreadable[query.key] = str(line["unreadable"])
        else:
            pairs.append((query, Prediction(query.key, line["answer"], tuple(line.get("scores", ())))))
    return pairs, unreadable


def condition(
    shots: int, seed: int, pairs: Pairs, metrics: Sequence[str], groups: dict[str, str] | None
) -> dict[str, Any]:
    """The scores of one number of shots and one seed: of all queries and, by group, if `groups` is given."""
    scores = {name: METRICS[name](pairs) for name in metrics}
    scored: dict[str, Any] = {
        "shots": shots,
        "seed": seed,
        "queries": len(pairs),
        "metrics": {name: _number(score.value) for name, score in scores.items()},
    }
    if groups is not None:
        scored["groups"] = _by_group(pairs, scores, groups)
    return scored


def _by_group(pairs: Pairs, scores: dict[str, Score], groups: dict[str, str]) -> dict[str, Any]:
    """A metric that is a mean over queries is averaged within the group, so that CIDEr keeps the weights of all
    queries; a metric of a corpus is computed on the group alone."""
    members: dict[str, list[int]] = {}
    for number, (query, _) in enumerate(pairs):
        members.setdefault(groups.get(query.key, "(none)"), []).append(number)
    by_group = {}
    for group in sorted(members):
        mine = members[group]
        values = {
            name: statistics.fmean(score.each[i] for i in mine)
            if score.each is not None
            else METRICS[name]([pairs[i] for i in mine]).value
            for name, score in scores.items()
        }
        by_group[group] = {"queries": len(mine), "metrics": {name: _number(value) for name, value in values.items()}}
    return by_group


def summary(conditions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread (standard deviation with n - 1; null for one seed) over seeds, by shots and metric."""
    rows = []
    for shots in sorted({each["shots"] for each in conditions}):
        of_shots = [each for each in conditions if each["shots"] == shots]
        for name in of_shots[0]["metrics"]:
            values = [each["metrics"][name] for each in of_shots]
            rows.append({"shots": shots, "metric": name, **_mean_and_spread(values)})
    return rows


def group_summary(conditions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As `summary`, by group."""
    rows = []
    for shots in sorted({each["shots"] for each in conditions if "groups" in each}):
        of_shots = [each["groups"] for each in conditions if each["shots"] == shots]
        for group in sorted({name for groups in of_shots for name in groups}):
            with_group = [groups[group] for groups in of_shots if group in groups]
            for name in with_group[0]["metrics"]:
                values = [each["metrics"][name] for each in with_group]
                row = {"shots": shots, "group": group, "queries": with_group[0]["queries"], "metric": name}
                rows.append({**row, **_mean_and_spread(values)})
    return rows


def _mean_and_spread(values: list[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"mean": None, "spread": None, "seeds": len(values)}
    spread = statistics.stdev(known) if len(known) > 1 else None
    return {"mean": statistics.fmean(known), "spread": spread, "seeds": len(known)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def group_of_queries(queries: Sequence[Example], column: str, rows: dict[str, dict[str, str]] | None) -> dict[str, str]:
    """The group of each query: `column` of its own record or, if `rows` are given, of the row with its key.

    Queries without that column are left out; reports list them as "(none)". Raises InputError if all are left out.
    """
    groups = {}
    for query in queries:
        fields = query.columns if rows is None else rows.get(query.key, {})
        if column in fields:
            groups[query.key] = fields[column]
    if not groups:
        has = sorted({name for query in queries[:100] for name in query.columns}) if rows is None else []
        where = "queries have" if rows is None else "rows of the table match a query's key with"
        raise InputError(
            f"no {where} the column {column!r}, so scores cannot be split by it; columns of the queries are "
            f"{', '.join(has) or 'not looked at'}"
        )
    return groups


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write the results in one step: a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
