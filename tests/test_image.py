"""The Dockerfile without Docker: what it copies is there and is let through, its versions are the lock's, it is not root."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
INSTRUCTION = re.compile(r"^([A-Z]+)\s+((?:.*\\\n)*.*)$", re.MULTILINE)


def instructions(name: str) -> list[str]:
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    return [rest.replace("\\\n", " ") for found, rest in INSTRUCTION.findall(text) if found == name]


def copied() -> list[str]:
    return [source for line in instructions("COPY") for source in line.split()[:-1]]


def let_through(path: str) -> bool:
    """As Docker reads `.dockerignore`: the last pattern that matches a path or a folder above it decides."""
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and any(matches(part, pattern) for part in above):
            ignored = not line.startswith("!")
    return not ignored


def matches(path: str, pattern: str) -> bool:
    inner = pattern.removeprefix("**/")
    return fnmatch.fnmatch(path.rpartition("/")[2] if inner != pattern else path, inner)


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    assert copied()
    for source in copied():
        assert (ROOT / source).exists(), f"{source} is copied and not there"
        assert let_through(source), f"{source} is copied and left out by .dockerignore"


def test_nothing_else_goes_to_the_daemon() -> None:
    for path in (
        ".git/config",
        ".venv/bin/python",
        "runs/first/run.json",
        "demo/report.html",
        ".env",
        "tests/test_image.py",
    ):
        assert not let_through(path), path
    assert not let_through("pipeline/__pycache__/build.cpython-311.pyc")
    assert let_through("pipeline/words/stop/en.txt")


def test_the_image_holds_every_package_and_data_file_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in packages} <= set(copied())
    assert project["project"]["readme"] in copied() and set(project["project"]["license-files"]) <= set(copied())


def test_versions_are_those_of_the_lock_and_of_the_cluster_file() -> None:
    (base,) = instructions("FROM")
    cluster = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())["docker"]["image"]
    python = re.search(r"python:(\d+)\.(\d+)-", base)
    assert python and cluster.endswith(f"-py{python[1]}{python[2]}")
    (install,) = [line for line in instructions("RUN") if "--requirement" in line]
    assert "--constraint requirements.lock" in install
    assert any(line.startswith("ray==") for line in (ROOT / "requirements.lock").read_text().splitlines())


def test_the_product_of_the_image_is_locked_to_the_last_package() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=]", item)[0].lower() for item in wanted} | {"s3fs", "setuptools"}
    locked = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert names <= locked


def test_the_image_runs_as_rays_user_and_not_as_root() -> None:
    (user,) = instructions("USER")
    assert user == "1000"
    assert instructions("CMD") == ['["m3w", "--help"]']
