"""The typed recipe of a build: YAML in, one frozen value out, errors that name the key.

Every field is in `recipes/m3w.yaml` with the paper's figure where it has one. Which fields a stage's result depends
on is said in `STAGE_FIELDS`; nothing else of a recipe can make a stage run again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

import fsspec
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import InputError
from pipeline.rules import DOCUMENT_RULE_SIGNALS, IMAGE_RULE_SIGNALS, Rule, check_rules


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)  # strict: yes is no number, "5" is none either


class Crawl(_Section):
    """Where pages come from."""

    paths: list[str] = Field(min_length=1)
    """WARC files, globs, folders, `*.paths.gz` listings."""
    prefix: str | None = None
    """Put before each line of a listing, for example `s3://commoncrawl/`."""


class Extract(_Section):
    """HTML to documents."""

    content: Literal["main", "full"] = "main"
    videos: bool = False
    """Keep videos as nodes of their own: image references of status `video`, which nothing fetches."""
    max_page_mib: int = Field(10, ge=1)
    """A larger page is dropped as `page_too_large`."""


class Rules(_Section):
    """What is kept: ranges on signals; the rule's name is the reason of a drop."""

    languages: list[Annotated[str, Field(pattern="^[a-z]{2,3}$")]] = ["en"]
    """ISO 639-1; an empty list keeps every language."""
    document: dict[str, Rule] = {}
    image: dict[str, Rule] = {
        "too_small": Rule(signal="shorter_side", min=64),
        "aspect_ratio": Rule(max=3),
        "single_colour": Rule(signal="colour_range", min=1),
    }
    """The paper's (arXiv 2204.14198, appendix A.3.1): 64 px, ratio 3, not one colour."""

    @model_validator(mode="after")
    def _known_signals(self) -> Self:
        check_rules(self.document, DOCUMENT_RULE_SIGNALS, "rules.document")
        check_rules(self.image, IMAGE_RULE_SIGNALS, "rules.image")
        return self


class Fetch(_Section):
    """Image references to images."""

    source: Literal["archive"] = "archive"
    """`archive`: the image responses in the crawl's own WARC files."""
    urls_per_part: int = Field(20_000, ge=1)
    """About how many image URLs one part fetches; a host's URLs are always in one part."""
    max_image_mib: int = Field(20, ge=1)
    max_megapixels: int = Field(64, ge=1)
    """Checked before an image is decoded."""


class Dataset(_Section):
    """Documents and images to shards."""

    name: str = "m3w"
    shard_mib: int = Field(512, ge=1)
    images_per_sequence: int = Field(5, ge=1, le=5)
    """N of the paper."""
    validation_fraction: float = Field(0.05, ge=0, lt=1)
    """Share of hosts whose pages go to `validation`, by a hash of the host's name."""


class Execution(_Section):
    """How a run is worked off; nothing here changes its result."""

    cpus_per_part: float = Field(1.0, gt=0)
    memory_mib_per_part: int = Field(1024, ge=64)
    attempts: int = Field(3, ge=1)
    """A part that failed this often is set aside."""
    max_failed_parts: int = Field(0, ge=0)
    """A stage with more set aside ends the run with status 1; with no more, the next stage goes on without them."""


class Recipe(_Section):
    """Everything about a run."""

    crawl: Crawl
    extract: Extract = Extract()
    rules: Rules = Rules()
    fetch: Fetch = Fetch()
    dataset: Dataset = Dataset()
    execution: Execution = Execution()

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)

    def digest(self, fields: tuple[str, ...]) -> str:
        """SHA-256 (hex) of the given fields, written `section` or `section.field`.

        In the recipe's order, since of two rules that an image breaks the first gives the reason.
        """
        values = self.model_dump()
        chosen = {}
        for name in fields:
            section, _, field = name.partition(".")
            chosen[name] = values[section][field] if field else values[section]
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


STAGE_FIELDS: dict[str, tuple[str, ...]] = {
    "extract": ("extract", "fetch.max_image_mib"),
    "filter": ("rules.languages", "rules.document"),
    "deduplicate": (),
    "duplicates": (),
    "requests": ("fetch.urls_per_part",),
    "fetch": ("fetch",),
    "links": (),
    "join": ("rules.image", "dataset"),
    "assemble": ("dataset",),
}
"""What each stage's own result depends on, besides its inputs, which the ledger names by their content's hash."""

RESULT_FIELDS = ("crawl", "extract", "rules", "fetch", "dataset")
"""All that can change a dataset; `execution` cannot."""


def load_recipe(path: str, overrides: list[str] | None = None) -> Recipe:
    """The recipe at `path` with `overrides` (`key.key=value`, the value in YAML) put in. Raises `InputError`."""
    try:
        with fsspec.open(path, "rb") as file:
            values = yaml.safe_load(file.read())
    except (OSError, ValueError) as error:
        raise InputError(f"the recipe {path} cannot be read ({error}); give the path of a YAML file") from error
    except yaml.YAMLError as error:
        raise InputError(f"the recipe {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InputError(f"the recipe {path} holds no keys; see recipes/m3w.yaml for what it can say")
    for override in overrides or []:
        _put(values, override)
    return parse_recipe(values, path)


def parse_recipe(values: dict[str, Any], path: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors())
        raise InputError(f"the recipe {path} is wrong: {problems}") from error


def _problem(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key}; known here: {', '.join(_siblings(detail['loc']))}"
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _siblings(location: tuple[str | int, ...]) -> list[str]:
    model: Any = Recipe
    for part in location[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            return sorted(Rule.model_fields)
        model = field.annotation
    return list(getattr(model, "model_fields", Rule.model_fields))


def _put(values: dict[str, Any], override: str) -> None:
    """Set one value; a section that the recipe does not write out starts from its defaults."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override} names no value; write --set key.key=value")
    *sections, last = key.split(".")
    defaults: Any = Recipe(crawl=Crawl(paths=["-"])).model_dump()
    for section in sections:
        defaults = defaults.get(section, {}) if isinstance(defaults, dict) else {}
        values = values.setdefault(section, defaults)
        if not isinstance(values, dict):
            raise InputError(f"--set {override}: {section} is a value, not a section that could hold {last}")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: the value is not YAML: {' '.join(str(error).split())}") from error
