"""A run whose stages are run in this process, one part after the other, without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.inline import InlineRun


@pytest.fixture
def in_place(tmp_path: Path) -> InlineRun:
    return InlineRun(tmp_path)
