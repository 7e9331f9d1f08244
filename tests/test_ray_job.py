"""`ray job submit`, as docs/cluster.md has it, on a head that `ray start` started: the same bytes as on one machine."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from m3w.pipeline.demo_crawl import write_demo_crawl

ROOT = Path(__file__).resolve().parent.parent
RAY = Path(sys.executable).parent / "ray"
SECONDS_TO_START = 300
PLAIN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
TRIES = 4
"""Ray gives a head 30 s to start, which a busy machine may not keep."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def ports() -> list[str]:
    names = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port", "metrics-export-port")
    return [f"--{name}={free_port()}" for name in names]


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """The address for jobs of a head of our own; its processes, and no others, end with it."""
    for _ in range(TRIES):
        folder = tempfile.mkdtemp(prefix="m3w-ray-", dir="/tmp")  # the paths of its sockets must stay short
        wanted = ports()
        process = start(folder, wanted)
        address = f"http://127.0.0.1:{wanted[1].partition('=')[2]}"
        try:
            if answers(f"{address}/api/version", process):
                yield address
                return
        finally:
            end(process, folder)
    pytest.fail(f"no head came up in {TRIES} tries")


def start(folder: str, wanted: list[str]) -> subprocess.Popen[bytes]:
    command = [str(RAY), "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--num-cpus=2", *wanted]
    command += ["--dashboard-host=127.0.0.1", "--disable-usage-stats", f"--temp-dir={folder}"]
    path = f"{RAY.parent}{os.pathsep}{os.environ['PATH']}"  # as in an activated environment: the job runs `python`
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | PLAIN | {"PATH": path}
    with Path(folder, "start.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except urllib.error.HTTPError:  # Ray's dashboard asks for its token; `ray job submit` finds it by itself
            return True
        except OSError:
            time.sleep(0.5)
    return False


def end(process: subprocess.Popen[bytes], folder: str) -> None:
    """End what the head started: its children, and what names its folder."""
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        psutil.wait_procs(started, timeout=20)
    for each in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in each.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


def documented(head: str, crawl: Path, run: Path) -> list[str]:
    """The guide's command, with this head, crawl and run in place of its own."""
    text = (ROOT / "docs" / "cluster.md").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.strip().startswith("ray job submit") and "127.0.0.1" in line]
    line = line.replace("http://127.0.0.1:8265", head).replace("demo/crawl", str(crawl)).replace("runs/first", str(run))
    words = shlex.split(line)
    return [str(RAY), *words[1:]]


def shards(run: Path) -> dict[str, object]:
    manifest = json.loads((run / "dataset" / "dataset.json").read_text())
    return {"splits": manifest["splits"], "counts": manifest["counts"]}


@pytest.mark.slow
@pytest.mark.ray
def test_a_submitted_build_gives_the_bytes_of_one_machine_and_goes_on_when_submitted_again(
    head: str, tmp_path: Path
) -> None:
    write_demo_crawl(tmp_path / "crawl")
    command = documented(head, tmp_path / "crawl", tmp_path / "run")
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **PLAIN}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "succeeded" in done.stdout
    again = subprocess.run(command, cwd=ROOT, env={**os.environ, **PLAIN}, capture_output=True, text=True, timeout=600)
    assert again.returncode == 0 and "extract: 4 of 4 parts are done already" in again.stdout
    here = [sys.executable, "-m", "m3w", *command[command.index("build") : -2]]
    alone = [word.replace(str(tmp_path / "run"), str(tmp_path / "alone")) for word in here]
    subprocess.run(alone, cwd=ROOT, env={**os.environ, **PLAIN}, check=True, timeout=600)
    assert shards(tmp_path / "alone") == shards(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.ray
def test_a_submitted_build_with_a_wrong_recipe_is_a_failed_job_that_says_why(head: str, tmp_path: Path) -> None:
    command = documented(head, tmp_path / "no-crawl", tmp_path / "run")
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **PLAIN}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    assert "crawl.paths" in done.stdout and "Traceback" not in done.stdout


def test_what_a_job_takes_along_is_the_product() -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "runtime_env.yaml").read_text())
    assert settings["working_dir"] == "."
    for name in settings["excludes"]:
        assert (ROOT / name.lstrip("/")).is_dir(), f"{name} is left out and not there"
    for room in ("m3w", "schemas", "pipeline", "model", "trainer", "cli", "recipes"):
        assert f"/{room}" not in settings["excludes"]
