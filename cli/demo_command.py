"""The command `m3w demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything goes; made if it is not there.")] = Path("demo"),
) -> None:
    """Do all of it on the bundled demo crawl, offline: crawl, dataset, report, a Flamingo trained from scratch.

    Example: m3w demo
    """
    from m3w.cli.demo import run_demo

    raise typer.Exit(run_demo(folder))
