"""The wheel in an environment of its own, used from a folder whose files have the names of our rooms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("schemas", "pipeline", "model", "trainer", "cli", "recipes")
WRITE_CRAWL = (
    "from pathlib import Path; import m3w.pipeline.demo_crawl as d; d.write_demo_crawl(Path('crawl'), pages=40)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = folder / "build"  # setuptools leaves a build folder beside the sources, and would take old files from it
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, f"--config-settings=--build-option=build --build-base={build}", "-w", folder, ROOT], check=True
    )
    (path,) = folder.glob("m3w-*.whl")
    return path


def test_the_wheel_holds_one_package_and_all_its_files(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"m3w"}
    tracked = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    product = {f"m3w/{name}" for name in tracked.split() if not name.endswith((".slurm", ".md"))}
    assert product <= names


@pytest.mark.ray
def test_files_with_the_names_of_our_rooms_are_no_concern_of_ours(wheel: Path, tmp_path: Path) -> None:
    environment, work = tmp_path / "environment", tmp_path / "work"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # pip would find m3w there
    subprocess.run(install, check=True, env=alone)
    # what m3w needs is taken from here; a path in a .pth file brings no .pth files of its own, so not this checkout
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for room in ROOMS:
        (work / room).mkdir(parents=True)
        (work / room / "__init__.py").write_text("raise ImportError('this is the package of somebody else')\n")
    (work / "model.py").write_text("raise ImportError('this is the module of somebody else')\n")
    plain = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=work, env=plain, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run("python", "-c", "import m3w; print(m3w.__file__)").strip() == str(site / "m3w" / "__init__.py")
    (work / "crawl").mkdir()
    run("python", "-c", WRITE_CRAWL)
    (work / "recipe.yaml").write_text('crawl: {paths: ["crawl/*.warc.gz"]}\n')
    run("m3w", "build", "recipe.yaml", "--run", "run")
    counts = json.loads((work / "run/dataset/dataset.json").read_text())["counts"]
    assert counts["assemble"]["documents"] > 10
