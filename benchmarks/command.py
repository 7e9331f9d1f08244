"""What the commands `make bench-NAME` have alike: their options, and the last line of what they print."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"
"""The folder of data that benchmarks measure on."""


def options_parser(description: str | None, *, rounds: int = 5, data: bool = False) -> argparse.ArgumentParser:
    """A parser with the option `--rounds`, and with `--data` for the shared folder if it is asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    if data:
        parser.add_argument("--data", type=Path, default=SHARED, help="the shared folder")
    return parser


def require_data(shared: Path, needed: str) -> None:
    """Exit with a message unless the shared folder has the folder `needed`."""
    if not (shared / needed).is_dir():
        sys.exit(
            f"{shared / needed} is not there, so there is nothing to measure on; name the shared folder with --data"
        )


def print_figures(bench: str, figures: Mapping[str, float], *conditions: str, processor: str | None = None) -> None:
    """The last line, as DESIGN has it. `conditions` say under what the figures were measured."""
    machine = ", ".join([processor or platform.machine(), f"Python {platform.python_version()}", *conditions])
    date = datetime.now(UTC).date().isoformat()
    print(json.dumps({"bench": bench, "date": date, "machine": machine, "figures": figures}))
