"""The words of the project: the README's glossary is complete, and names that were given up do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("schemas", "pipeline", "model", "trainer", "cli", "recipes", "m3w")
TERMS = (
    *("record", "page", "document", "image reference", "image", "sequence", "window", "batch slot", "signal", "rule"),
    *("part", "stage", "table", "settings", "ledger", "run", "recipe", "shard"),
)


class Name(NamedTuple):
    """A name that a file defines."""

    path: str
    line: int
    kind: str
    """`module`, `class`, `function`, `argument`, `variable` or `attribute`."""
    name: str


class GivenUp(NamedTuple):
    """A word that is no longer used, and the one to use."""

    word: str
    replacement: str
    kinds: tuple[str, ...] = ()
    """Kinds of names in which it is given up; empty: all."""
    rooms: tuple[str, ...] = ()
    """Path prefixes in which it is given up; empty: everywhere."""


TYPES = ("module", "class")
WORDS = (
    GivenUp("standing", "build progress"),
    GivenUp("claim", "run lock", TYPES),
    GivenUp("wave", "round"),
    GivenUp("lane", "batch slot"),
    GivenUp("glance", "thumbnail"),
    GivenUp("manner", "politeness"),
    GivenUp("desk", "fetch context"),
    GivenUp("gates", "rate limiters", TYPES),
    GivenUp("care", "isolation"),
    GivenUp("asker", "evaluator"),
    GivenUp("asked", "loaded model", TYPES),
    GivenUp("sight", "attention map, visual context"),
    GivenUp("stand_in", "replacement"),
    GivenUp("work_off", "run"),
    GivenUp("facts", "metadata"),
    GivenUp("raster", "pixels"),
    GivenUp("heap", "malloc", TYPES),
    GivenUp("place", "position, offset, path or row"),
    GivenUp("draft", "tokenized sequence", TYPES),
    GivenUp("waiting", "part queue", TYPES),
    GivenUp("starting", "ray start", TYPES),
    GivenUp("fingerprint", "document hashes", TYPES),
    GivenUp("link", "image results", ("module",)),
    GivenUp("frequent", "frequent images", ("module",)),
    GivenUp("sample", "example of a drop", rooms=("pipeline/engine", "pipeline/filters", "pipeline/inspect/examples")),
    GivenUp("sample", "imported document", rooms=("pipeline/exchange", "pipeline/import_dataset")),
    GivenUp("util", "what it is about", ("module",)),
    GivenUp("helper", "what it does", TYPES),
    GivenUp("manager", "what it does", TYPES),
)
"""Words are compared with the words of a name: `urls_per_host` has three; a plural counts as its singular."""
ALLOWED = {
    ("pipeline/images/hashes.py", "waves"),  # cosine waves of the perceptual hash
    ("pipeline/demo_crawl/sites.py", "facts"),  # sentences about the things that the demo's sites show
    ("pipeline/demo_crawl/prose.py", "_facts"),
    ("pipeline/dedup/frequent_images.py", "frequent_images"),
}
PROSE = re.compile(
    r"\b(waves?|lanes?|glances?|manners|raster|stand-ins?|works? off|worked off|called again|goes on where)\b"
    r"|`(links|frequent|fingerprint|standing|claim)`",
    re.IGNORECASE,
)
OTHER_PAGES = {"docs/decisions/stages.md"}
"""It names the stages of run format 1."""


def words(name: str) -> list[str]:
    """The words of an identifier, in the singular: `IMAGE_PLACES`, `imagePlaces` and `image_places` have the same."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [part.lower() if part.lower().endswith("ss") else part.lower().removesuffix("s") for part in parts]


def has_word(name: str, word: str) -> bool:
    """Whether the word (of several parts, perhaps) is in the name; one that is given up in the plural only as such."""
    wanted, given = words(word), words(name)
    if word.endswith("s") and word not in name.lower():
        return False
    return any(given[i : i + len(wanted)] == wanted for i in range(len(given)))


def defined_names(path: Path, root: Path) -> Iterator[Name]:
    """What a file defines: its module and its classes, functions, arguments, variables and attributes."""
    relative = path.relative_to(root).as_posix()
    yield Name(relative, 1, "module", path.parent.name if path.stem == "__init__" else path.stem)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ClassDef(name=name):
                yield Name(relative, node.lineno, "class", name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield Name(relative, node.lineno, "function", name)
            case ast.arg(arg=name):
                yield Name(relative, node.lineno, "argument", name)
            case ast.Name(id=name, ctx=ast.Store()):
                yield Name(relative, node.lineno, "variable", name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield Name(relative, node.lineno, "attribute", name)


def product_files(root: Path) -> list[Path]:
    """The Python files of the rooms; `m3w/` has links to the other folders, which are not followed."""
    return [
        path
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
        if room != "m3w" or path.parent == root / room
    ]


def given_up_names(root: Path) -> list[str]:
    """One line for each name in the product with a word that was given up."""
    return [
        f"{name.path}:{name.line}: {name.kind} {name.name!r}: say {each.replacement!r} instead of {each.word!r}"
        for path in product_files(root)
        for name in defined_names(path, root)
        for each in WORDS
        if has_word(name.name, each.word)
        and (not each.kinds or name.kind in each.kinds)
        and (not each.rooms or name.path.startswith(each.rooms))
        and (name.path, name.name) not in ALLOWED
    ]


def test_the_glossary_has_each_term_once() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Words\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\w ]+?) \| (.+) \|$", table, re.MULTILINE)[1:]  # without the head
    assert sorted(term for term, _ in rows) == sorted(TERMS)
    assert all(len(meaning) > 10 for _, meaning in rows)


def test_names_that_were_given_up_do_not_come_back() -> None:
    files = product_files(ROOT)
    assert len(files) > 250 and len(files) == len({path.resolve() for path in files})
    assert not given_up_names(ROOT)


def test_every_allowance_is_needed() -> None:
    names = {(name.path, name.name) for path in product_files(ROOT) for name in defined_names(path, ROOT)}
    assert names >= ALLOWED


def test_words_that_were_given_up_are_not_in_the_documents() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").glob("*.yaml")]
    hits = [
        f"{page.relative_to(ROOT)}:{number}: {match[0]}"
        for page in pages
        if page.relative_to(ROOT).as_posix() not in OTHER_PAGES
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        for match in PROSE.finditer(line)
    ]
    assert not hits


@pytest.mark.parametrize(
    ("path", "code", "expected"),
    [
        ("trainer/data/lanes.py", "", "module 'lanes'"),
        ("pipeline/engine/claim.py", "", "module 'claim'"),
        ("pipeline/fetch/host.py", "class Desk: ...", "class 'Desk'"),
        ("pipeline/images/prepare.py", "def glance_at(image): ...", "function 'glance_at'"),
        ("pipeline/crawl/warc.py", "def read(start_place): ...", "argument 'start_place'"),
        ("trainer/data/order.py", "STAND_INS = 99", "variable 'STAND_INS'"),
        ("pipeline/extract/page.py", "class Page:\n    facts: dict", "variable 'facts'"),
        ("cli/main.py", "class Run:\n    def __init__(self): self.wavesLeft = 1", "attribute 'wavesLeft'"),
        ("pipeline/exchange/nemo.py", "def read_samples(file): ...", "function 'read_samples'"),
    ],
)
def test_a_planted_name_is_reported(tmp_path: Path, path: str, code: str, expected: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(code)
    (line,) = given_up_names(tmp_path)
    assert line.startswith(f"{path}:") and expected in line


@pytest.mark.parametrize(
    "code",
    [
        "placeholder = replace = replacement = 1",
        "open_gates = [0.5]",
        "import heapq\nheap = []",
        "claim = 'drivers/1.json'",
    ],
)
def test_other_words_with_the_same_letters_pass(tmp_path: Path, code: str) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/build.py").write_text(code)
    assert not given_up_names(tmp_path)
