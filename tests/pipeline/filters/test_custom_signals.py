"""Signals that a recipe adds."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

from m3w.pipeline.filters.rules import broken
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS, check_signals, load_signals
from m3w.pipeline.filters.signals.document import measure, measure_again
from m3w.pipeline.filters.signals.registry import SignalEntry
from m3w.pipeline.recipe import parse_recipe
from m3w.recipes.errors import InputError
from m3w.schemas.document import InterleavedDocument, document_schema
from m3w.schemas.table import to_table

MODULE = """
def titles(document):
    return len(document.title)

def marks(document, mark="!"):
    return sum(text.count(mark) for text in document.texts if text)

class Share:
    def __init__(self, of):
        self.of = of

    def __call__(self, document):
        return document.signals["characters"] / self.of
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "signals_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "signals_of_mine"


def entry(class_path: str, **options: object) -> SignalEntry:
    return SignalEntry(class_path=class_path, options=options)


def test_a_recipes_signals_are_measured_and_stored_behind_the_built_in_ones(module: str) -> None:
    entries = {
        "exclamations": entry(f"{module}.marks"),
        "questions": entry(f"{module}.marks", mark="?"),
        "hundreds": entry(f"{module}.Share", of=100),
        "titles": entry(f"{module}.titles"),
    }
    custom = load_signals(entries)
    document = InterleavedDocument(url="http://a.example/", texts=["Ha! What?", "No?!"], images=[None, None])
    measure(document, custom=custom)
    assert tuple(document.signals) == (*DOCUMENT_SIGNALS, *custom)
    assert [document.signals[name] for name in ("exclamations", "questions", "hundreds")] == [2, 2, 0.13]
    assert math.isnan(document.signals["titles"]), "it has no title, so len() raises"
    schema = document_schema((*DOCUMENT_SIGNALS, *custom))
    assert schema.field("signals").type.field("hundreds").type == pa.float32()
    (row,) = to_table([document.row()], schema).to_pylist()
    assert row["signals"]["questions"] == 2
    document.texts.pop()
    document.images.pop()
    measure_again(document, custom=custom)
    assert document.signals["questions"] == 1


def test_rules_on_documents_know_a_recipes_signals_by_name() -> None:
    recipe = parse_recipe(
        {
            "crawl": {"paths": ["a.warc"]},
            "signals": {"exclamations": {"class_path": "nowhere.marks"}},
            "rules": {"document": {"loud": {"signal": "exclamations", "max": 3}}},
        },
        "recipe.yaml",
    )
    found = broken(recipe.rules.document, {"exclamations": 4})
    assert found is not None and found.reason == "loud"
    with pytest.raises(InputError, match="unknown signal exclamation"):
        parse_recipe(
            {"crawl": {"paths": ["a.warc"]}, "rules": {"document": {"exclamations": {"max": 3}}}}, "recipe.yaml"
        )


def test_a_signal_that_cannot_be_loaded_or_has_a_taken_name_is_an_input_error(module: str) -> None:
    check_signals({"exclamations": entry(f"{module}.marks")})
    with pytest.raises(InputError, match=r"signals\.loud\.class_path = nowhere\.at_all\.marks: there is no module"):
        check_signals({"loud": entry("nowhere.at_all.marks")})
    for name in ("words", "language_score"):
        with pytest.raises(InputError, match=f"there is a built-in signal {name}"):
            check_signals({name: entry(f"{module}.marks")})
