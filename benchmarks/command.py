"""The parts that all `make bench-NAME` commands share: their options, and the last line of their output."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"
"""The folder with the data for benchmarks."""


def options_parser(description: str | None, *, rounds: int = 5, data: bool = False) -> argparse.ArgumentParser:
    """A parser with the option `--rounds`, and optionally with `--data` for the shared folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    if data:
        parser.add_argument("--data", type=Path, default=SHARED, help="the shared folder")
    return parser


def require_data(shared: Path, needed: str) -> None:
    """Exit with a message unless the shared folder has the folder `needed`."""
    if not (shared / needed).is_dir():
        sys.exit(
            f"{shared / needed} does not exist, so there is no data to measure; name the shared folder with --data"
        )


def print_figures(bench: str, figures: Mapping[str, float], *conditions: str, processor: str | None = None) -> None:
    """Print the figures as a line of JSON. `conditions` describe how they were measured."""
    machine = ", ".join([processor or platform.machine(), f"Python {platform.python_version()}", *conditions])
    date = datetime.now(UTC).date().isoformat()
    print(json.dumps({"bench": bench, "date": date, "machine": machine, "figures": figures}))
