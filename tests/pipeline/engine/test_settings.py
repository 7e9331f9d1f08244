"""A stage sees only the keys of a recipe that its settings declare; its fingerprint depends on the same keys."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, Field

from m3w.pipeline.build import STAGES
from m3w.pipeline.dataset.card import CardSettings
from m3w.pipeline.engine.drops import DROPS
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.engine.plan import recipe_digest
from m3w.pipeline.engine.settings import NoSettings, digest_of, key, keys_of, settings, settings_of
from m3w.pipeline.engine.stage import Stage
from m3w.pipeline.fetch.redirect_rounds import earlier, redirects
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.recipes.errors import InputError
from m3w.recipes.section import Section

PIPELINE = Path(__file__).parents[3] / "pipeline"
ROOMS = ("engine", "crawl", "extract", "exchange", "filters", "dedup", "fetch", "images", "dataset")
"""Below `recipe`: their code gets settings, never a recipe."""
ABOVE = ("m3w.pipeline.recipe", "m3w.pipeline.build", "m3w.pipeline.import_dataset")
EXPORT = PIPELINE / "exchange" / "export.py"
"""Its settings come from a command's options."""
EVERY: tuple[Stage, ...] = (*STAGES, earlier, redirects)

# No way to the recipe


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules that the code imports anywhere, and strings that name modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_of_a_stages_room_imports_the_recipe(room: str) -> None:
    files = sorted((PIPELINE / room).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(PIPELINE)} imports {module}"
        for path in files
        for module in imported(ast.parse(path.read_text(encoding="utf-8")))
        if module.startswith(ABOVE)
    ]
    assert not wrong


def test_no_stage_reaches_the_recipe_through_what_it_imports() -> None:
    """By reading all imports, also those within functions; and by loading the stages' modules."""
    modules = {stage.module for stage in EVERY}
    assert {module.split(".")[2] for module in modules} <= set(ROOMS)
    script = f"import sys, {', '.join(sorted(modules))}; sys.exit('m3w.pipeline.recipe' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
    reached, left = set[str](), modules
    while left:
        reached |= left
        files = [PIPELINE.joinpath(*module.split(".")[2:]).with_suffix(".py") for module in left]
        trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files if path.is_file()]
        left = {module for tree in trees for module in imported(tree) if module.startswith("m3w.pipeline.")} - reached
    assert len(reached) > 100 and not [module for module in reached if module.startswith(ABOVE)]


def test_a_stage_gets_its_own_settings_which_are_immutable(in_place: Any) -> None:
    for stage in EVERY:
        own = settings_of(stage.settings, in_place.recipe())
        assert type(own) is stage.settings and dataclasses.is_dataclass(own)
        for field in dataclasses.fields(own):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(own, field.name, None)


# Every key of the recipe

BASE: dict[str, Any] = {
    "crawl": {"paths": ["a.warc.gz"]},
    "duplicates": {"image_documents": 5, "image_distance": 3, "repeated_images": True, "repeated_distance": 2},
    "fetch": {"source": "web", "contact": "me@example.org"},
    "images": {"size": "longest_side", "pixels": 256},
}
"""A recipe of which one value at a time can be changed to another valid one."""
BEFORE: dict[str, dict[str, Any]] = {
    "crawl.index.paths": {"crawl.paths": [], "crawl.index.paths": ["a.parquet"]},
    "duplicates.repeated_images": {"duplicates.repeated_distance": None},
}
"""What else such a recipe has to say before some values can be changed."""
AFTER: dict[str, Any] = {
    "signals": {"exclamations": {"class_path": "b.C"}},
    "rules.text": {"short": {"signal": "words", "min": 4}},
    "rules.image_reference": {"alt_words": {"min": 1}},
    "rules.document": {"words": {"min": 5}},
    "rules.image": {"too_small": {"signal": "shorter_side", "min": 100}},
    "scores.scorers": {"a": {"class_path": "b.C"}},
    "fetch.hosts": {"a.example": {"delay_s": 3}},
    "fetch.resolve": {"a.example": "127.0.0.1"},
    "execution.stages": {"extract": {"cpus": 2}},
}
LIST = "list.txt"
"""A file that is there, for lists by name."""
GUESSES: list[Any] = [3, 0.5, "xyz", "de", "png", "2024-01-01", "http://a.example", "127.0.0.1:80", "a.b.C"]


def paths_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a recipe by its key, with its type: sections of sections are opened."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from paths_of(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.annotation


ANNOTATIONS = dict(paths_of(Recipe))


def with_value(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a recipe's dumped values with one of them changed."""
    name, _, rest = path.partition(".")
    return {**values, name: with_value(values[name], rest, value) if rest else value}


def candidates(path: str, value: Any) -> Iterator[Any]:
    """Values to try in place of `value`."""
    if path in AFTER:
        yield AFTER[path]
    elif get_origin(ANNOTATIONS[path]) is Literal:
        yield from get_args(ANNOTATIONS[path])
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value / 2, value - 1)
    elif isinstance(value, str):
        yield from (f"{value}x", *GUESSES)
    elif isinstance(value, list):
        yield from ([LIST], *([guess] for guess in GUESSES), value[:-1], [7])
    elif isinstance(value, dict):
        yield from ({"de": LIST}, {"de": [LIST]}, {"a": "a.b.C"})
    else:
        yield from GUESSES


def changed(path: str) -> tuple[Recipe, Recipe]:
    """Two valid recipes that differ in one value."""
    values = parse_recipe(BASE, "-").model_dump()
    for other, value in BEFORE.get(path, {}).items():
        values = with_value(values, other, value)
    before = parse_recipe(values, "-")
    for candidate in candidates(path, attrgetter(path)(before)):
        try:
            after = parse_recipe(with_value(values, path, candidate), "-")
        except InputError:
            continue
        if attrgetter(path)(after) != attrgetter(path)(before):
            return before, after
    raise AssertionError(f"{path}: say in AFTER which other value is valid")


def is_property(path: str) -> bool:
    return path not in ANNOTATIONS and not any(other.startswith(f"{path}.") for other in ANNOTATIONS)


def touches(path: str, before: Recipe, after: Recipe) -> Callable[[str], bool]:
    """Whether a declared key (a value's, a section's, or a property's) holds what was changed at `path`."""

    def holds(declared: str) -> bool:
        if is_property(declared):
            same: bool = attrgetter(declared)(before) == attrgetter(declared)(after)
            return not same
        return path == declared or path.startswith(f"{declared}.")

    return holds


@pytest.fixture
def list_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / LIST).write_text("a.example\n")


@pytest.mark.parametrize("path", ANNOTATIONS)
@pytest.mark.usefixtures("list_file")
def test_a_changed_value_reaches_the_stages_that_declare_its_key_and_no_others(
    path: str, fingerprints: Callable[[Recipe], dict[str, str]]
) -> None:
    before, after = changed(path)
    holds = touches(path, before, after)
    prints = fingerprints(before), fingerprints(after)
    for stage in EVERY:
        given = settings_of(stage.settings, before) != settings_of(stage.settings, after)
        assert given == any(map(holds, keys_of(stage.settings))), stage.name
        redone = any(map(holds, keys_of(stage.settings, "result"))) or (
            path.startswith("drops.") and DROPS in stage.writes
        )
        if stage in STAGES:
            assert (prints[0][stage.attribute] != prints[1][stage.attribute]) == redone, stage.name
        else:
            own = [stage.fingerprint(settings_of(stage.settings, recipe)) for recipe in (before, after)]
            assert (own[0] != own[1]) == redone, stage.name
    kinds = [*(stage.settings for stage in STAGES), CardSettings]
    in_dataset = any(holds(declared) for kind in kinds for declared in keys_of(kind, "result", "inputs"))
    assert (recipe_digest(before, kinds) != recipe_digest(after, kinds)) == in_dataset


def declared_keys() -> set[str]:
    """Every key that any code of the pipeline declares by `key(...)`."""
    files = (path for path in PIPELINE.rglob("*.py") if path != EXPORT)
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    calls = (
        node
        for tree in trees
        if "m3w.pipeline.engine.settings.key" in imported(tree)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "key" and node.args
    )
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}


def test_every_declared_key_is_in_the_recipe() -> None:
    known = {*ANNOTATIONS, *(path.rpartition(".")[0] for path in ANNOTATIONS)}
    declared = declared_keys()
    assert declared >= {path for stage in EVERY for path in keys_of(stage.settings)} and len(declared) > 60
    for path in declared - known:
        section: Any = Recipe
        for name in path.split(".")[:-1]:
            section = section.model_fields[name].annotation
        assert isinstance(getattr(section, path.rpartition(".")[2], None), property), f"{path} is no key of a recipe"


def test_every_key_of_a_recipe_is_in_some_settings() -> None:
    """Except those that the build itself uses."""
    declared = [*declared_keys(), "drops", "execution"]
    read_by_properties = {"rules.image", "fetch.source", "scores.scorers"}
    unused = [path for path in ANNOTATIONS if not any(f"{path}.".startswith(f"{each}.") for each in declared)]
    assert set(unused) <= read_by_properties


# Digests


class Lists(Section):
    files: list[NamedFile] = Field(default_factory=list)
    by_language: dict[str, NamedFile] = Field(default_factory=dict)


class Own(Section):
    lists: Lists = Lists()
    limits: dict[str, float] = Field(default_factory=dict)
    pause_s: float = 1.0


@settings
class OwnSettings:
    lists: Lists = key("lists")
    limits: dict[str, float] = key("limits")
    pause_s: float = key("pause_s", effect="none")


def own_digest(**values: Any) -> str:
    return digest_of(settings_of(OwnSettings, Own(**values)))


def test_the_order_of_a_recipes_values_is_part_of_their_digest() -> None:
    """Of two rules that an image breaks, the first gives the reason."""
    assert own_digest(limits={"a": 1, "b": 2}) != own_digest(limits={"b": 2, "a": 1})
    assert own_digest(limits={"a": 1, "b": 2}) == own_digest(limits={"a": 1.0, "b": 2.0})


def test_a_named_list_counts_by_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("a\n")
    second.write_text("a\n")

    def both(path: Path) -> tuple[str, str]:
        return own_digest(lists={"files": [str(path)]}), own_digest(lists={"by_language": {"de": str(path)}})

    before = both(first)
    assert before == both(second) and before[0] != before[1]
    second.write_text("b\n")
    assert before[0] != both(second)[0] and before[1] != both(second)[1]
    second.unlink()
    with pytest.raises(InputError, match=r"second\.txt cannot be read"):
        both(second)


def test_a_value_that_changes_no_result_is_not_in_the_digest() -> None:
    assert own_digest(pause_s=9) == own_digest()
    assert settings_of(OwnSettings, Own(pause_s=9)) != settings_of(OwnSettings, Own())
    assert keys_of(OwnSettings, "none") == ["pause_s"] and keys_of(NoSettings) == []


def test_a_field_without_a_key_is_refused() -> None:
    @settings
    class Wrong:
        loose: int = 3

    with pytest.raises(AssertionError, match=r"loose is not declared with key"):
        settings_of(Wrong, Own())


def test_a_key_that_the_recipe_does_not_have_raises() -> None:
    @settings
    class Wrong:
        missing: int = key("lists.missing")

    with pytest.raises(AttributeError, match="missing"):
        settings_of(Wrong, Own())


def test_the_version_of_a_stage_is_in_its_fingerprint(in_place: Any) -> None:
    for stage in EVERY:
        own = settings_of(stage.settings, in_place.recipe())
        newer = dataclasses.replace(stage, version=stage.version + 1)
        assert newer.fingerprint(own) != stage.fingerprint(own) != stage.fingerprint(own, " drops 1")
