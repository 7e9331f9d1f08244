"""Input formats: the built-in ones, and a user's own, named by its dotted path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.inline import InlineRun
from m3w.pipeline.engine.settings import digest_of, settings_of
from m3w.pipeline.exchange import check_input_format, input_formats, load_reader, pairs
from m3w.pipeline.exchange.import_documents import ImportSettings, import_documents
from m3w.pipeline.import_dataset import import_dataset
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.pipeline.tables import ARCHIVED_IMAGES, EXTRACTED
from m3w.recipes.errors import InputError
from tests.pipeline.exchange import own_format

OWN = "tests.pipeline.exchange.own_format"


def recipe(format: str) -> Recipe:
    return Recipe.model_validate({"crawl": {"format": format, "paths": ["a"]}})


def test_each_module_with_a_reader_is_a_format() -> None:
    assert input_formats() == ["mmc4", "nemo", "obelics", "pairs"]
    assert load_reader("pairs") is pairs.read


def test_a_format_of_ones_own_is_a_function_or_a_class() -> None:
    assert load_reader(f"{OWN}.read") is own_format.read
    assert isinstance(load_reader(f"{OWN}.Lines"), own_format.Lines)


@pytest.mark.parametrize("name", ["read", "Lines"])
def test_documents_of_ones_own_format_are_imported_with_their_images(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("http://a.example/1 A red one.\nhttp://a.example/2\n")
    run = InlineRun(tmp_path)
    counters = run.part(import_documents, "a", recipe(f"{OWN}.{name}"), path=str(tmp_path / "a.txt")).counters
    assert counters.items() >= {"pages": 2, "documents": 1, "pages_dropped.no_text": 1}.items()
    (document,) = run.rows(EXTRACTED, "a")
    assert document["texts"] == ["A red one.", None]
    assert [row["url"] for row in run.rows(ARCHIVED_IMAGES, "a")] == ["http://a.example/1/image.png"]


@pytest.mark.parametrize("wrong", ["coyo", "export", "warc", "", "no.such.module.read"])
def test_a_wrong_format_names_the_known_ones(wrong: str) -> None:
    with pytest.raises(InputError, match=f"^{wrong} is not a format to import.*mmc4, nemo, obelics, pairs, or package"):
        check_input_format(wrong)


def test_a_module_without_the_reader_is_an_input_error() -> None:
    with pytest.raises(
        InputError, match=r"own_format\.absent cannot be imported.*give the path of a function or class"
    ):
        load_reader(f"{OWN}.absent")


def test_a_wrong_format_ends_an_import_before_anything_is_written(tmp_path: Path) -> None:
    for wrong in ("coyo", "no.such.module.read"):
        with pytest.raises(InputError, match=f"{wrong} is not a format to import"):
            import_dataset(wrong, ["a"], str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"crawl\.format"):
        parse_recipe({"crawl": {"format": "not a path", "paths": ["a"]}}, "-")


def test_results_depend_on_the_format() -> None:
    names = ("pairs", f"{OWN}.read", f"{OWN}.Lines")
    assert len({digest_of(settings_of(ImportSettings, recipe(name))) for name in names}) == 3


def test_a_reader_is_loaded_without_the_other_formats() -> None:
    script = (
        "import sys; from m3w.pipeline.exchange import load_reader; load_reader('pairs');"
        "others = ('ray', 'torch', 'm3w.pipeline.exchange.nemo', 'm3w.pipeline.exchange.export');"
        "sys.exit(' '.join(name for name in others if name in sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
