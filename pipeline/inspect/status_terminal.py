"""A run's status on the terminal, 80 columns wide."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from m3w.pipeline.inspect.driver_terminal import shown
from m3w.pipeline.inspect.status import RunStatus, StageStatus
from m3w.pipeline.inspect.wording import counted, number, plain

WIDTH = 80


def print_status(status: RunStatus, console: Console) -> None:
    """The stages, then failed parts with where their tracebacks lie, faults in the input, and the counters."""
    console.print(Text(plain(status.run), style="bold"), soft_wrap=True)
    if status.driver is None or (status.driver.gone and status.finished):
        console.print(_verdict(status), soft_wrap=True)
    else:
        console.print(shown(status.driver), soft_wrap=True)
    console.print()
    console.print(_stages(status))
    _print_failed(status, console)
    _print_faults(status, console)
    _print_counters(status, console)


def _verdict(status: RunStatus) -> Text:
    failed = sum(len(stage.failed) for stage in status.stages)
    if failed:
        return Text(f"{counted(failed, 'part')} failed; m3w build tries again", style="red")
    if status.finished:
        return Text(f"finished: the dataset is {status.run}/dataset", style="green")
    return Text("not finished; m3w build goes on where it stopped", style="yellow")


def _stages(status: RunStatus) -> Table:
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
        console.print(Text(f"Faults in the input of {stage.stage}, read past", style="bold"))
        for fault in stage.faults:
            console.print(Text(f"  {fault.reason}: {number(fault.count)}"))
            for example in fault.examples:
                detail = f": {' '.join(example.detail.split())}" if example.detail else ""
                _print_line(console, f"    {example.path} at byte {example.offset}{detail}")


def _print_line(console: Console, text: str) -> None:
    """One line whatever its length, so that a path can be copied whole."""
    console.print(Text(plain(text)), soft_wrap=True)


def _print_counters(status: RunStatus, console: Console) -> None:
    counted = [stage for stage in status.stages if stage.counters]
    if not counted:
        return
    console.print()
    console.print(Text("Counters", style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(min_width=12)
    table.add_column(justify="right", min_width=9)
    table.add_column()
    for stage in counted:
        for place, (name, count) in enumerate(stage.counters.items()):
            table.add_row(stage.stage if place == 0 else "", number(count), Text(name))
    console.print(table)
