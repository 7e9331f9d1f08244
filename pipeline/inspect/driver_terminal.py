"""A build at work, on the terminal: once, or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console, Group, JustifyMethod
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from m3w.pipeline.engine.build_progress import StageProgress, duration
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.driver import DriverStatus, driver_status
from m3w.pipeline.inspect.wording import plain

BAR_COLUMNS = 28
SLOW_S = 60.0
"""Parts that have been at work for longer are named."""


def shown(driver: DriverStatus) -> Group:
    """Who is at work, the stages it has done in short, and the one it is at."""
    stages = driver.progress.stages
    lines: list[Text | Table] = [_who(driver)]
    if stages:
        lines += [Text(), _stages(stages, gone=driver.gone), Text()]
        lines += _at_work(stages[-1]) if not driver.gone else []
    return Group(*lines)


def _who(driver: DriverStatus) -> Text:
    process = f"process {driver.pid} on {plain(driver.host)}"
    silent = duration(driver.silent_s)
    if driver.gone:
        return Text(
            f"the build by {process} is gone (last sign of life {silent} ago); m3w build goes on where it stopped",
            style="red",
        )
    at_work = duration(max(0.0, (datetime.now(UTC) - driver.began_at).total_seconds()))
    return Text(f"at work for {at_work}: {process}, last sign of life {silent} ago", style="green")


def _stages(stages: list[StageProgress], *, gone: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    columns: tuple[JustifyMethod, ...] = ("left", "left", "right", "left")
    for justify in columns:
        table.add_column(justify=justify)
    for place, stage in enumerate(stages):
        now = place == len(stages) - 1 and not gone
        ended = stage.done_before + stage.done + stage.failed
        bar = ProgressBar(total=max(1, stage.total), completed=ended, width=BAR_COLUMNS)
        parts, *rest = stage.counts
        texts = rest if now else [text for text in rest if not text.startswith("about")]
        table.add_row(Text(stage.stage, style="bold" if now else ""), bar, parts, _joined(texts, stage))
    return table


def _joined(texts: list[str], stage: StageProgress) -> Text:
    return Text(" · ".join(texts), style="red" if stage.failed else "")


def _at_work(stage: StageProgress) -> list[Text | Table]:
    """Speeds, and which parts take long."""
    lines: list[Text | Table] = []
    if stage.rates:
        lines.append(Text(f"{stage.stage}: {' · '.join(stage.rates)}"))
    parts = "part" if stage.at_work == 1 else "parts"
    lines.append(Text(f"{stage.at_work:,} {parts} at work or waiting for a machine", style="dim"))
    slow = [part for part in stage.longest if part.seconds > SLOW_S]
    lines += [Text(f"  {plain(part.name)} for {duration(part.seconds)}", style="dim") for part in slow]
    return lines


def watch(run: Run, console: Console, every_s: float = 2.0, sleep: Callable[[float], None] = time.sleep) -> None:
    """Show the build at work until it ends: in place on a terminal, as a line each time elsewhere."""
    if not console.is_terminal:
        while (driver := driver_status(run)) is not None and not driver.gone:
            console.print(line(driver), soft_wrap=True, highlight=False, markup=False)
            sleep(every_s)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while (driver := driver_status(run)) is not None and not driver.gone:
            live.update(shown(driver), refresh=True)
            sleep(every_s)


def line(driver: DriverStatus) -> str:
    """The stage at work, as one line."""
    if not driver.progress.stages:
        return "beginning"
    stage = driver.progress.stages[-1]
    return f"{stage.stage}: {', '.join([*stage.counts, *stage.rates])}"
