"""`m3w demo` from its first line to its last."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.ray
def test_the_demo_trains_a_model_that_uses_the_images(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "m3w", "demo", str(tmp_path / "demo")], capture_output=True, text=True, timeout=1200
    )
    assert result.returncode == 0, result.stderr
    first, last = map(float, re.findall(r"Training loss: ([\d.]+) nats .*, ([\d.]+) at", result.stdout)[0])
    own, shuffled = map(float, re.findall(r"held-out pages: ([\d.]+); .*documents: ([\d.]+)\.", result.stdout)[0])
    grounds = int(re.findall(r"whose ground the model names: (\d+) of 48", result.stdout)[0])
    assert last < first / 2 and shuffled > own + 0.2 and grounds > 36
    assert "A Flamingo trained on it" in (tmp_path / "demo/report.html").read_text(encoding="utf-8")
