"""The recipe of a build: everything about a run in one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from m3w.pipeline.crawl.section import Crawl
from m3w.pipeline.dataset.section import Dataset
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.drops import Drops
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS, check_rules
from m3w.pipeline.filters.section import Consent, Pii, Rules, Urls
from m3w.pipeline.filters.signals import IMAGE_SIGNALS
from m3w.pipeline.filters.signals.registry import SignalEntry, SignalName
from m3w.pipeline.filters.signals.word_lists import WordListFiles
from m3w.pipeline.images.section import Images, Scores
from m3w.recipes.loader import dump_yaml, load, validate
from m3w.recipes.section import Section


class Recipe(Section):
    """Everything about a run."""

    crawl: Crawl
    extract: Extract = Extract()
    urls: Urls = Urls()
    word_lists: WordListFiles = WordListFiles()
    signals: dict[SignalName, SignalEntry] = Field({})
    """Signals of documents in addition to the built-in ones."""
    rules: Rules = Rules()
    pii: Pii = Pii()
    drops: Drops = Drops()
    duplicates: Duplicates = Duplicates()
    fetch: Fetch = Fetch()
    consent: Consent = Consent()
    images: Images = Images()
    scores: Scores = Scores()
    dataset: Dataset = Dataset()
    execution: Execution = Execution()

    @model_validator(mode="after")
    def _known_signals(self) -> Self:
        check_rules(self.rules.document, (*DOCUMENT_RULE_SIGNALS, *self.signals), "rules.document")
        check_rules(self.rules.image, (*IMAGE_SIGNALS, *self.scores.signals), "rules.image")
        return self

    def to_yaml(self) -> str:
        return dump_yaml(self.model_dump(mode="json"))

    @property
    def smallest_side(self) -> float:
        """Pixels; an image that its page declares with a shorter side is not requested, since a rule would drop it.

        Reading the archive costs no host anything, so without requests to the web this is 0.
        """
        if self.fetch.source != "web":
            return 0.0
        rules = self.rules.image.items()
        return max((rule.min or 0.0 for name, rule in rules if (rule.signal or name) == "shorter_side"), default=0.0)


def load_recipe(path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load the recipe at `path`; see `m3w.recipes.loader.load`. Raises `InputError`."""
    return load(path, overrides, Recipe)


def parse_recipe(values: Any, path: str) -> Recipe:
    """The recipe with these `values`; errors call it `path`. Raises `InputError`."""
    return validate(values, Recipe, f"the recipe {path}")
