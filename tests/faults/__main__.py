"""Runs all fault tests in their full form and prints the table of results.

    python -m tests.faults [PYTEST ARGUMENTS]

About half an hour on two idle cores. `make test` runs the small form of each.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.table import ROWS


def main(arguments: list[str]) -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[ROWS] = f"{folder}/rows"
        status = pytest.main([str(Path(__file__).parent), "-s", *arguments])
        path = Path(os.environ[ROWS])
        rows = [json.loads(row) for row in path.read_text().splitlines()] if path.exists() else []
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {machine}, {(time.monotonic() - started) / 60:.0f} min\n")
    print("| fault | injected | parts redone | dataset |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row['kind']} | {row['faults']:,} | {row['redone']:,} | {'equal' if row['equal'] else 'DIFFERS'} |")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
