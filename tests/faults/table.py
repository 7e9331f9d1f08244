"""The table of fault tests: each test writes a row, `python -m tests.faults` prints them all."""

from __future__ import annotations

import json
import os
from pathlib import Path

ROWS = "M3W_FAULT_TABLE"
"""The file that rows are added to, if it is asked for."""


def record_row(kind: str, faults: int, redone: int, equal: bool) -> None:
    """Write a row. `redone`: parts that ran again; `equal`: whether the dataset's hashes are those of an undisturbed run."""
    row = {"kind": kind, "faults": faults, "redone": redone, "equal": equal}
    print(f"\nfaults: {kind}: {faults} injected, {redone} parts redone, dataset {'equal' if equal else 'DIFFERS'}")
    if os.environ.get(ROWS):
        with Path(os.environ[ROWS]).open("a") as file:
            file.write(json.dumps(row) + "\n")
