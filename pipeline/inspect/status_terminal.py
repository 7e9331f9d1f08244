"""A run's status and the build at work on it, on the terminal, 80 columns wide."""

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
from m3w.pipeline.inspect.status import RunStatus, StageStatus
from m3w.pipeline.inspect.wording import counted, number, plain

BAR_COLUMNS = 28
SLOW_S = 60.0
"""Parts that have been running for longer are named."""


def print_status(status: RunStatus, console: Console) -> None:
    """The stages, failed parts with the paths of their tracebacks, faults in the input, and the counters."""
    console.print(Text(plain(status.run), style="bold"), soft_wrap=True)
    if status.driver is None or (status.driver.gone and status.finished):
        console.print(_verdict(status), soft_wrap=True)
    else:
        console.print(build_at_work(status.driver), soft_wrap=True)
    console.print()
    console.print(_stage_table(status))
    _print_failed(status, console)
    _print_faults(status, console)
    _print_counters(status, console)


def _verdict(status: RunStatus) -> Text:
    failed = sum(len(stage.failed) for stage in status.stages)
    if failed:
        return Text(f"{counted(failed, 'part')} failed; run m3w build again to retry", style="red")
    if status.finished:
        return Text(f"finished: the dataset is {status.run}/dataset", style="green")
    return Text("not finished; run m3w build again to resume", style="yellow")


def _stage_table(status: RunStatus) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage")
    for name in ("parts done", "failed", "left", "work"):
        table.add_column(name, justify="right", min_width=8)
    for stage in status.stages:
        failed = Text(number(len(stage.failed)), style="red" if stage.failed else "")
        left = "-" if stage.left is None else number(stage.left)
        table.add_row(stage.stage, number(stage.done), failed, left, _duration(stage))
    return table


def _duration(stage: StageStatus) -> str:
    """Worker time, such as `2 h 05 min`."""
    if not stage.done:
        return "-"
    seconds = stage.seconds
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def _print_failed(status: RunStatus, console: Console) -> None:
    for stage in status.stages:
        for failed in stage.failed:
            console.print()
            attempts = "attempt" if failed.attempts == 1 else "attempts"
            console.print(
                Text(f"{stage.stage} {failed.part} failed after {failed.attempts} {attempts}", style="bold red")
            )
            _print_line(console, f"  {failed.error}")
            _print_line(console, f"  traceback: {status.run}/{failed.traceback_at}")


def _print_faults(status: RunStatus, console: Console) -> None:
    for stage in status.stages:
        if not stage.faults:
            continue
        console.print()
        console.print(Text(f"Faults in the input of {stage.stage}, skipped", style="bold"))
        for fault in stage.faults:
            console.print(Text(f"  {fault.reason}: {number(fault.count)}"))
            for example in fault.examples:
                detail = f": {' '.join(example.detail.split())}" if example.detail else ""
                _print_line(console, f"    {example.path} at byte {example.offset}{detail}")


def _print_line(console: Console, text: str) -> None:
    """One line whatever its length, so that a path can be copied whole."""
    console.print(Text(plain(text)), soft_wrap=True)


def _print_counters(status: RunStatus, console: Console) -> None:
    stages = [stage for stage in status.stages if stage.counters]
    if not stages:
        return
    console.print()
    console.print(Text("Counters", style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(min_width=12)
    table.add_column(justify="right", min_width=9)
    table.add_column()
    for stage in stages:
        for row, (name, count) in enumerate(stage.counters.items()):
            table.add_row(stage.stage if row == 0 else "", number(count), Text(name))
    console.print(table)


def build_at_work(driver: DriverStatus) -> Group:
    """The process that builds, the stages it has done in short, and the one it is at."""
    stages = driver.progress.stages
    lines: list[Text | Table] = [_who(driver)]
    if stages:
        lines += [Text(), _progress(stages, gone=driver.gone), Text()]
        lines += _at_work(stages[-1]) if not driver.gone else []
    return Group(*lines)


def _who(driver: DriverStatus) -> Text:
    process = f"process {driver.pid} on {plain(driver.host)}"
    silent = duration(driver.silent_s)
    if driver.gone:
        return Text(
            f"the build by {process} is gone (last heartbeat {silent} ago); run m3w build again to resume",
            style="red",
        )
    at_work = duration(max(0.0, (datetime.now(UTC) - driver.began_at).total_seconds()))
    return Text(f"at work for {at_work}: {process}, last heartbeat {silent} ago", style="green")


def _progress(stages: list[StageProgress], *, gone: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    columns: tuple[JustifyMethod, ...] = ("left", "left", "right", "left")
    for justify in columns:
        table.add_column(justify=justify)
    for index, stage in enumerate(stages):
        now = index == len(stages) - 1 and not gone
        ended = stage.done_before + stage.done + stage.failed
        bar = ProgressBar(total=max(1, stage.total), completed=ended, width=BAR_COLUMNS)
        parts, *rest = stage.counts
        texts = rest if now else [text for text in rest if not text.startswith("about")]
        table.add_row(Text(stage.stage, style="bold" if now else ""), bar, parts, _joined(texts, stage))
    return table


def _joined(texts: list[str], stage: StageProgress) -> Text:
    return Text(" · ".join(texts), style="red" if stage.failed else "")


def _at_work(stage: StageProgress) -> list[Text | Table]:
    """Speeds, and the parts that take long."""
    lines: list[Text | Table] = []
    if stage.rates:
        lines.append(Text(f"{stage.stage}: {' · '.join(stage.rates)}"))
    parts = "part" if stage.at_work == 1 else "parts"
    lines.append(Text(f"{stage.at_work:,} {parts} running or waiting for a machine", style="dim"))
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
            live.update(build_at_work(driver), refresh=True)
            sleep(every_s)


def line(driver: DriverStatus) -> str:
    """The stage at work, as one line."""
    if not driver.progress.stages:
        return "starting"
    stage = driver.progress.stages[-1]
    return f"{stage.stage}: {', '.join([*stage.counts, *stage.rates])}"
