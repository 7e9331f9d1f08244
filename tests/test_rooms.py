"""The rooms import only downwards: schemas < pipeline; schemas, model < trainer; all < cli."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "schemas": set(),
    "recipes": set(),
    "pipeline": {"schemas", "recipes"},
    "model": set(),
    "trainer": {"schemas", "recipes", "model"},
    "cli": {"schemas", "recipes", "pipeline", "model", "trainer"},
}
FORBIDDEN = {
    "schemas": {"torch", "ray", "transformers"},
    "pipeline": {"torch", "transformers"},
    "model": {"ray", "webdataset", "pyarrow", "fsspec"},
    "trainer": {"ray"},
}
EXCEPTIONS = {
    ("trainer/launch.py", "ray"),
    ("pipeline/images/clip.py", "torch"),
    ("pipeline/images/clip.py", "transformers"),
}


def imported_packages(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports; of ours the room."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (_package(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from {_package(f"{node.module}.{alias.name}") for alias in node.names}


def _package(module: str) -> str:
    first, *rest = module.split(".")
    return rest[0] if first == "m3w" and rest else first


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} holds no code"
    upwards = set(ALLOWED) - ALLOWED[room] - {room}
    wrong = [
        f"{path.relative_to(ROOT)} imports {package}"
        for path in files
        for package in imported_packages(path)
        if package in upwards | FORBIDDEN.get(room, set()) and (str(path.relative_to(ROOT)), package) not in EXCEPTIONS
    ]
    assert not wrong


def test_no_relative_import_hides_from_this_test() -> None:
    for room in ALLOWED:
        for path in (ROOT / room).rglob("*.py"):
            levels = [n.level for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
            assert not any(levels), f"{path} has a relative import; write it from the room's name"


def test_building_does_not_load_torch() -> None:
    """By running it: what a library imports for us counts too."""
    script = "import m3w.pipeline.build, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
