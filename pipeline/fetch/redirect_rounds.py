"""The stage `fetch` in waves: what redirects to other hosts is asked on by the tasks that own these."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from m3w.pipeline.dataset.publish import sum_counters
from m3w.pipeline.engine.executor import Executor
from m3w.pipeline.engine.group_by import work_off
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.stage import Part, Stage
from m3w.pipeline.fetch import plan as fetch_plan
from m3w.pipeline.fetch import stage as fetch
from m3w.pipeline.fetch.section import Fetch

Entries = dict[str, LedgerEntry]


def fetch_in_waves(
    executor: Executor, requested: LedgerEntry, settings: Fetch, fingerprint: str, groups: int
) -> Entries:
    """The committed parts that together have an end for every requested URL; see `m3w.pipeline.fetch.plan`.

    `groups` is how many groups of hosts the requests were dealt to.
    """
    stage = Stage(name="fetch", fingerprint=fingerprint, process=fetch.process, keeps=True)
    planned: list[str] = []
    fetched: Entries = {}
    known = executor.run.entries("fetch")  # read once: what follows adds to it as the waves do
    for wave in itertools.count(1):
        parts = fetch_plan.plan(requested, known, fingerprint, settings, datetime.now(UTC), settled=fetched)
        planned += [part.name for part in parts]
        _bring_earlier(executor, stage, known, parts, planned, groups)
        found = executor.work_off(stage, parts, known)
        fetched |= found
        known |= found
        if not sum_counters(found).get("redirects"):
            break
        redirects = fetch_plan.redirects(fingerprint, wave, groups, settings)
        requested = work_off(executor, redirects, found.values())
    if len(fetched) == len(planned):
        executor.forget(stage, fetched, known)
        for further in executor.run.entries("redirects").keys() - {str(before) for before in range(1, wave)}:
            executor.run.remove(f"ledger/redirects/{further}.json")
    return fetched


def _bring_earlier(
    executor: Executor, stage: Stage, known: Entries, parts: list[Part], planned: list[str], groups: int
) -> None:
    """If parts are to be done anew, group what others have found for them to take over."""
    asked = set(planned)
    others = [entry for name, entry in known.items() if name not in asked and entry.fingerprint == stage.fingerprint]
    executor.run.remove(fetch_plan.EARLIER)
    if others and any(part.name not in known for part in parts):
        work_off(executor, fetch_plan.earlier(stage.fingerprint, groups), others)
