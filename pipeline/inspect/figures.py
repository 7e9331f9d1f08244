"""The figures of a dataset: the typed result of `statistics`, its stable JSON form and the JSON Schema of that.

Every share is a fraction of 1, every size in bytes, every side of an image in pixels.
"""

from __future__ import annotations

import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from m3w.pipeline.engine.stage import Cause

SCHEMA_VERSION = 1
"""Raised when a name or a meaning in the JSON changes; a new name alone does not raise it."""


class _Figure(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Exit(_Figure):
    """One reason why something that entered a step did not go on as what the step gives."""

    reason: str
    kind: Literal["dropped", "passed"]
    """`dropped`: lost to the dataset. `passed`: not what the step looks for, such as a request among the records."""
    cause: Cause | None = None
    """What kind of thing took it; None for what passed."""
    count: int
    share: float
    """Of what entered the step."""


class Step(_Figure):
    """One step of the funnel: `entered` = `kept` + all exits + `unaccounted`."""

    track: Literal["pages", "images"]
    stage: str
    entered_as: str
    """What was counted at the step's start: `records`, `image references`, ..."""
    entered: int
    kept_as: str
    kept: int
    share: float
    """`kept` of `entered`."""
    exits: list[Exit] = Field(default_factory=list)
    """The most frequent first."""
    unaccounted: int = 0
    """Lost with parts that failed, if the recipe allows any; else 0, or the counters contradict each other."""


class Bin(_Figure):
    """How many values lie in `low <= value < high`; the last bin of a distribution is open (`high` is None)."""

    low: float
    high: float | None
    count: int


class Distribution(_Figure):
    """Of one number over all documents, images or sequences."""

    title: str
    unit: str
    """What one value counts: `words`, `pixels`, `bytes`, `images`, ...; empty for a ratio."""
    whole: bool
    """All values are whole numbers."""
    count: int
    missing: int
    """How many have no such value."""
    lowest: float | None
    highest: float | None
    mean: float | None
    percentiles: dict[str, float]
    """`5`, `25`, `50`, `75`, `95`: within half a percent of the exact value."""
    bins: list[Bin]
    """The same edges for every dataset, so that two can be laid side by side."""


class Value(_Figure):
    value: str
    count: int
    share: float


class Frequencies(_Figure):
    """How often each value of a column stands in the dataset."""

    title: str
    unit: str
    """What is counted: `documents`, `images`, `image references`."""
    total: int
    distinct: int
    exact: bool = True
    """False where there were too many values to hold all: counts and `distinct` are then at least what they say."""
    values: list[Value]
    """The most frequent first."""
    others: int = 0
    """What lies behind the values listed."""


class Tokens(_Figure):
    """Tokens of the text nodes, by a tokenizer of the user's choice, without special tokens."""

    tokenizer: str
    """Its path, as given."""
    vocabulary: int
    documents: int
    """Documents that were tokenized: at even distances over each shard."""
    counted: int
    """Tokens in them."""
    characters: int
    """Characters in them."""
    estimated: int
    """Tokens of the whole dataset: its characters at the same tokens for a character. All counted: `counted`."""
    exact: bool
    """All documents were tokenized."""
    per_document: Distribution


class Repetition(_Figure):
    """How many of the dataset's images are one and the same picture, byte for byte."""

    images: int
    distinct: int
    exact: bool
    """False where `distinct` is an estimate from a sample of the hashes, within about half a percent."""
    share: float
    """Of images that an earlier one repeats."""


class SplitTotals(_Figure):
    documents: int
    images: int
    """With bytes: of status `ok`."""
    sequences: int
    sequence_images: int
    document_shards: int
    document_bytes: int
    sequence_shards: int
    sequence_bytes: int


class Statistics(_Figure):
    """All that `m3w stats` says of a dataset."""

    schema_version: int = SCHEMA_VERSION
    dataset: str
    """The dataset's folder, as given."""
    m3w_version: str
    recipe_sha256: str
    splits: dict[str, SplitTotals]
    funnel: list[Step]
    faults: dict[str, int]
    """What in the crawl could not be read, by reason; what lies around a fault was read."""
    distributions: dict[str, Distribution]
    frequencies: dict[str, Frequencies]
    signals: dict[str, Distribution] = Field(default_factory=dict)
    """By the name of the signal, as `m3w.pipeline.filters.signals.DOCUMENT_SIGNALS` has it, and `language_score`."""
    repetition: Repetition | None = None
    """None for a dataset without images."""
    tokens: Tokens | None = None
    """None where no tokenizer was given."""

    def to_json(self) -> str:
        return json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls.model_validate_json(text)


def json_schema() -> str:
    """The JSON Schema of `m3w stats --json`: docs/statistics.schema.json."""
    return json.dumps(Statistics.model_json_schema(mode="serialization"), indent=1) + "\n"


class Comparison(_Figure):
    """All that `m3w stats A B` says: the figures of both, in the order given."""

    schema_version: int = SCHEMA_VERSION
    datasets: list[Statistics]

    def to_json(self) -> str:
        return json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n"
