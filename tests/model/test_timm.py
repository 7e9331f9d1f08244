"""timm's NFNets through transformers' timm wrapper: the paper's vision encoder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

APART = Path(sys.prefix) / "timm"
"""Where `make setup` puts timm and torchvision, hidden from everything else."""

pytestmark = pytest.mark.skipif(
    not (APART.exists() or find_spec("timm")), reason=f"needs timm, installed or in {APART} (make setup puts it there)"
)


def facts(*arguments: str) -> Any:
    """What `timm_encoder.py` prints."""
    script = Path(__file__).with_name("timm_encoder.py")
    path = "" if find_spec("timm") else str(APART)
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_papers_flamingo_has_timms_nfnet_f6() -> None:
    found = facts("meta")
    assert found["encoder"] == "dm_nfnet_f6"
    assert round(found["encoder_parameters"] / 1e6) == 435  # as the paper counts
    assert round(found["parameters"] / 1e9, 1) == 3.2
    assert found["latents"] == [2, 64, 2048]


def test_an_nfnet_is_seen_stays_frozen_and_comes_back_from_disk(tmp_path: Path) -> None:
    assert facts("small", str(tmp_path)) == {
        "vision_width": 192,
        "architecture": "test_nfnet",
        "moved": [False, True, True, True, True, True],
        "with_gradient": ["language_model", "new_tokens", "resampler"],
        "frozen_in_evaluation_mode": True,
        "largest_difference": {"whole": 0.0, "trained": 0.0},
        "image_format": {"image_size": 64, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]},
    }


@pytest.mark.slow
def test_the_whole_nfnet_f6_runs() -> None:
    assert facts("whole") == {"latents": [1, 4, 16], "finite": True}
