"""A recipe is loaded: its YAML dialect, `--set`, and errors that name the key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal, Self

import fsspec
import pytest
from pydantic import Field, model_validator

from m3w.recipes.errors import InputError
from m3w.recipes.loader import SHIPPED, dump_yaml, load, parse_yaml, validate
from m3w.recipes.section import Section


class Rule(Section):
    signal: str | None = None
    min: float | None = None


class Optimizer(Section):
    learning_rate: float = 1e-3
    steps: int = Field(ge=1)


class Cache(Section):
    folder: str
    gib: float = 1.0


class Data(Section):
    cache: Cache | None = None
    workers: int = 2
    rules: dict[str, Rule] = Field(default={"small": Rule(signal="side", min=64), "flat": Rule(min=1)})

    @model_validator(mode="after")
    def _has_workers(self) -> Self:
        if self.workers == 13:
            raise ValueError("thirteen workers are too many")
        return self


class Recipe(Section):
    optimizer: Optimizer
    data: Data = Data(workers=5)
    precision: Literal["fp32", "bf16"] = "fp32"


STEPS: dict[str, Any] = {"optimizer": {"steps": 3}}


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "recipe.yaml").write_text("optimizer: {steps: 3}")
    return str(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.e-4", "1.0e-4", "0.0001"])
def test_a_number_with_an_exponent_is_a_number(number: str, path: str) -> None:
    assert load(path, [f"optimizer.learning_rate={number}"], Recipe).optimizer.learning_rate == 1e-4
    Path(path).write_text(f"optimizer: {{steps: 3, learning_rate: {number}}}")
    assert load(path, [], Recipe).optimizer.learning_rate == 1e-4


@pytest.mark.parametrize("text", ["1e-4", "12e5", "1.5", "yes", "null", "2024-01-01", "Füchse", "e5", "1e"])
def test_a_text_that_looks_like_something_else_comes_back_as_a_text(text: str) -> None:
    assert parse_yaml(dump_yaml({"name": text}), "test") == {"name": text}


def test_keys_keep_their_order() -> None:
    assert list(parse_yaml(dump_yaml({"b": 1, "a": 2}), "test")) == ["b", "a"]


def test_a_path_is_any_that_fsspec_opens() -> None:
    with fsspec.open("memory://recipes/there.yaml", "wb") as file:
        file.write(b"optimizer: {steps: 4}")
    assert load("memory://recipes/there.yaml", [], Recipe).optimizer.steps == 4


def test_a_recipe_that_comes_with_m3w_is_found_from_anywhere_unless_there_is_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="unknown key output"):
        load("recipes/train-tiny.yaml", [], Recipe)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/train-tiny.yaml").write_text("optimizer: {steps: 4}")
    assert load("recipes/train-tiny.yaml", [], Recipe).optimizer.steps == 4
    shutil.rmtree(tmp_path / "recipes")
    with pytest.raises(InputError, match=r"recipes/none\.yaml cannot be read .*recipes/NAME\.yaml"):
        load("recipes/none.yaml", [], Recipe)
    assert (SHIPPED / "train-tiny.yaml").is_file()


def test_a_section_that_is_left_out_starts_from_its_defaults(path: str) -> None:
    recipe = load(path, ["data.rules.small.min=100", "data.cache.folder=/tmp", "precision=bf16"], Recipe)
    assert recipe.data.rules == {"small": Rule(signal="side", min=100), "flat": Rule(min=1)}
    assert (recipe.data.workers, recipe.data.cache, recipe.precision) == (5, Cache(folder="/tmp"), "bf16")
    Path(path).write_text("{data: {workers: 7}, precision: fp32}")
    recipe = load(path, ["data.rules.small.min=100", "optimizer.steps=1"], Recipe)
    assert (recipe.data.workers, recipe.optimizer) == (7, Optimizer(steps=1))
    assert recipe.data.rules == {"small": Rule(signal="side", min=100), "flat": Rule(min=1)}
    Path(path).write_text("data:\noptimizer: {steps: 3}")
    assert load(path, ["data.workers=7"], Recipe).data.workers == 7
    assert load(path, ["data={}"], Recipe).data == Data()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("optimizer.steps", "names no value; write --set key.key=value"),
        ("=5", "names no value"),
        ("optimizer.=5", "names no value"),
        ("precision.first=5", "precision is a value, not a section that could hold first"),
        ("optimizer.steps.first=5", "steps is a value, not a section"),
        ("optimizer.steps=[", "--set optimizer.steps=.: the value is not YAML"),
        ("optimizer.steps=", "optimizer.steps = None"),
        ("optimizer.steps=many", "optimizer.steps = 'many'"),
        ("optimizer.steps=1.5", "optimizer.steps = 1.5"),
        ("optimizer.step=1", r"unknown key optimizer.step; known here: learning_rate, steps \(did you mean steps\?\)"),
        ("speed=1", r"unknown key speed; known here: .*precision \(correct its spelling or remove it\)"),
        ("data.cache.gibs=1", r"unknown key data.cache.gibs; known here: folder, gib \(did you mean gib\?\)"),
        ("data.rules.small.most=1", "unknown key data.rules.small.most; known here: signal, min"),
        ("data.rules.signal.most=1", "unknown key data.rules.signal.most; known here: signal, min"),
        ("precision=fp16", "precision = 'fp16': input should be 'fp32' or 'bf16'"),
        ("data.workers=13", "data: thirteen workers are too many"),
    ],
)
def test_a_wrong_override_is_an_error(override: str, problem: str, path: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        load(path, [override], Recipe)
    assert "\n" not in str(error.value)


def test_all_problems_are_reported_at_once(path: str) -> None:
    with pytest.raises(InputError) as error:
        load(path, ["optimizer={}", "data.worker=1", "precision=fp16"], Recipe)
    assert str(error.value).startswith(f"the recipe {path} is wrong: ")
    for problem in ("optimizer.steps is missing", "unknown key data.worker", "precision = 'fp16'"):
        assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "holds no keys"),
        (b"- a", "holds no keys"),
        (b"7", "holds no keys"),
        (b"a: [", "is not YAML"),
        (b"a: \xff", "is not YAML"),
        (b"a: !!python/object:os.system {}", "is not YAML"),
    ],
)
def test_a_file_that_is_not_a_recipe_is_named(text: bytes, problem: str, path: str) -> None:
    Path(path).write_bytes(text)
    with pytest.raises(InputError, match=problem) as error:
        load(path, [], Recipe)
    assert path in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["nowhere.yaml", ".", "nothing://at.all"])
def test_a_path_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(InputError, match=f"the recipe {path} cannot be read"):
        load(path, [], Recipe)


@pytest.mark.parametrize("values", [None, [], 5])
def test_values_that_are_no_recipe_are_an_error(values: Any) -> None:
    assert validate(STEPS, Recipe, "it").optimizer.steps == 3
    with pytest.raises(InputError, match="it holds no keys"):
        validate(values, Recipe, "it")
