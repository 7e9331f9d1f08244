"""The README holds: its files are there, its targets exist, its commands and its code run."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from m3w.pipeline.demo_crawl import write_demo_crawl

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FEWER_STEPS = ["training.steps=2", "optimizer.cooldown_steps=1", "validation.every=2", "validation.batches=1"]
"""The commands are run as they stand; only the training is cut short."""


def commands() -> list[list[str]]:
    lines = re.findall(r"^    (m3w .*)$", README, re.MULTILINE)
    return [shlex.split(line) for line in lines if "s3://" not in line]


def test_the_files_that_the_readme_names_exist() -> None:
    named = re.findall(r"`((?:[\w-]+/)+[\w.-]+|[\w-]+\.(?:yaml|md))`", README) + re.findall(r"\]\(([\w./-]+)\)", README)
    made = ("demo/", "runs/", "README.md", "dataset.json")
    missing = [name for name in named if not (ROOT / name).exists() and not name.startswith(made)]
    assert len(named) > 6 and not missing


def test_the_make_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE) or target.startswith("bench-"), target


def test_the_tree_is_the_tree() -> None:
    tree = README.partition("## The tree")[2]
    for folder in re.findall(r"^ {4}(\w+)/ ", tree, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder
    for room in re.findall(r"^ {6}(\w+)/ ", tree, re.MULTILINE):
        assert (ROOT / "pipeline" / room).is_dir(), room


def assert_serves(words: list[str], folder: Path) -> None:
    """The command says an address, and a page is there until it is interrupted."""
    command = [sys.executable, "-m", "m3w", *words[1:], "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{address}api/about", timeout=60) as response:
            assert b'"documents"' in response.read()
        server.send_signal(signal.SIGINT)
    assert server.returncode in (0, 130)


@pytest.mark.ray
def test_the_commands_and_the_code_run_in_order(tmp_path: Path) -> None:
    write_demo_crawl(tmp_path / "demo/crawl", pages=48)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    found = commands()
    assert [words[1] for words in found] == ["build", "status", "stats", "view", "extract", "train"]
    for words in found:
        if words[1] == "view":
            assert_serves(words, tmp_path)
            continue
        sets = [part for value in FEWER_STEPS for part in ("--set", value)] if words[1] == "train" else []
        command = [sys.executable, "-m", "m3w", *words[1:], *sets]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, f"{shlex.join(words)}\n{result.stderr}"
    assert (tmp_path / "report.html").exists() and (tmp_path / "runs/first/report.html").exists()
    assert (tmp_path / "runs/training/model/config.json").exists()
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = (
        code
        + "\nassert len(documents) > 20 and any('.jpg' in name or '.png' in name for name in next(iter(sequences)))"
    )
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=120, env=offline)
