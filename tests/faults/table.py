"""The rows of the table of fault tests: each test writes one, `python -m tests.faults` prints them all."""

from __future__ import annotations

import json
import os
from pathlib import Path

ROWS = "M3W_FAULT_TABLE"
"""The file that rows are added to, if it is asked for."""


def record_row(kind: str, faults: int, redone: int, equal: bool) -> None:
    """`redone`: parts whose work was done again; `equal`: hashes of the dataset are those of an unbroken run."""
    row = {"kind": kind, "faults": faults, "redone": redone, "equal": equal}
    print(f"\nfaults: {kind}: {faults} injected, {redone} parts redone, dataset {'equal' if equal else 'DIFFERS'}")
    if os.environ.get(ROWS):
        with Path(os.environ[ROWS]).open("a") as file:
            file.write(json.dumps(row) + "\n")
