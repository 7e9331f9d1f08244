"""The Slurm script, with srun and scontrol standing in that run what they are given on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from m3w.trainer.metrics.journal import read_metrics

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "recipes" / "train.slurm"


def test_the_script_is_one_that_bash_reads():
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)


@pytest.mark.slow
def test_the_script_trains(recipe, tmp_path):
    stand_ins = {"srun": f'shift; exec "{Path(sys.executable).parent}/$@"', "scontrol": "echo 127.0.0.1"}
    for name, line in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "n1", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_ID": "7", "GPUS_PER_NODE": "2"}
    environment = {**os.environ, **job, "PATH": f"{tmp_path}:{os.environ['PATH']}", "MASTER_PORT": "29677"}
    command = ["bash", str(SCRIPT), str(recipe), "--set", "training.steps=2"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=300)
    assert [line["step"] for line in read_metrics(tmp_path / "out")] == [1, 2]
