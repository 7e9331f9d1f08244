"""The rooms import only downwards: schemas < pipeline; schemas, model < trainer; all < cli; and so do the rooms inside."""

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

RANKS = {
    "pipeline": {
        "m3w.pipeline.engine": 0,
        "m3w.pipeline.crawl": 1,
        "m3w.pipeline.filters.signals": 2,
        "m3w.pipeline.tables": 3,
        "m3w.pipeline.images": 4,
        "m3w.pipeline.filters": 5,
        "m3w.pipeline.extract": 6,
        "m3w.pipeline.dedup": 7,
        "m3w.pipeline.fetch": 8,
        "m3w.pipeline.dataset": 9,
        "m3w.pipeline.exchange": 10,
        "m3w.pipeline.recipe": 11,
        "m3w.pipeline.build": 12,
        "m3w.pipeline.extract_file": 13,
        "m3w.pipeline.import_dataset": 13,
        "m3w.pipeline.demo_crawl": 0,
        "m3w.pipeline.inspect": 14,
        "m3w.pipeline": 15,
    },
    "trainer": {
        "m3w.trainer.recipe": 0,
        "m3w.trainer.distributed": 1,
        "m3w.trainer.checkpoint": 2,
        "m3w.trainer.data": 3,
        "m3w.trainer.setup": 4,
        "m3w.trainer.cost": 5,
        "m3w.trainer.metrics": 6,
        "m3w.trainer.evaluate": 7,
        "m3w.trainer": 8,
    },
}
"""The order of the rooms inside a top-level room, low to high. An import of a room of a higher rank is an error; rooms of
one rank may import each other. The longest prefix of a module's name gives its rank."""


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


def rank_of(module: str, ranks: dict[str, int]) -> int | None:
    """The rank of the longest prefix of `module` that has one."""
    parts = module.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((ranks[prefix] for prefix in prefixes if prefix in ranks), None)


def imported_modules(path: Path) -> Iterator[str]:
    """What a file imports, wherever in it: in functions and under TYPE_CHECKING too. A name may be a module's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward_imports(root: Path, room: str, ranks: dict[str, int]) -> list[str]:
    """The imports of higher-ranked rooms in the files of `root`/`room`."""
    wrong = []
    for path in sorted((root / room).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        own = rank_of(".".join(("m3w", *parts)), ranks)
        for module in sorted(set(imported_modules(path))):
            rank = rank_of(module, ranks)
            if own is not None and rank is not None and rank > own:
                wrong.append(f"{path.relative_to(root)} (rank {own}) imports {module} (rank {rank})")
    return wrong


@pytest.mark.parametrize("room", sorted(RANKS))
def test_the_rooms_inside_a_room_import_only_what_lies_below_them(room: str) -> None:
    assert not upward_imports(ROOT, room, RANKS[room])


@pytest.mark.parametrize("room", sorted(RANKS))
def test_every_folder_inside_a_room_has_a_rank(room: str) -> None:
    folders = {f"m3w.{room}.{path.parent.name}" for path in (ROOT / room).glob("*/*.py")}
    assert not folders - set(RANKS[room])


def test_an_upward_import_is_found_in_functions_and_under_type_checking(tmp_path: Path) -> None:
    (tmp_path / "trainer" / "low").mkdir(parents=True)
    lines = "from m3w.trainer.high import one\nimport m3w.trainer.low.other\nimport m3w.trainer.top\n"
    for name, before in (("plain", ""), ("lazy", "def run():\n"), ("typed", "if TYPE_CHECKING:\n")):
        text = "".join(f"    {line}\n" if before else f"{line}\n" for line in lines.splitlines())
        (tmp_path / "trainer" / "low" / f"{name}.py").write_text(before + text)
    ranks = {"m3w.trainer.low": 0, "m3w.trainer.high": 1, "m3w.trainer": 2}
    wrong = upward_imports(tmp_path, "trainer", ranks)
    assert len(wrong) == 6
    assert "trainer/low/lazy.py (rank 0) imports m3w.trainer.high.one (rank 1)" in wrong
    assert "trainer/low/typed.py (rank 0) imports m3w.trainer.top (rank 2)" in wrong
