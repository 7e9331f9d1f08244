"""Everything about a run in one frozen value."""

from __future__ import annotations

from typing import Self

import yaml
from pydantic import model_validator

from m3w.pipeline.crawl.section import Crawl
from m3w.pipeline.dataset.section import Dataset
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.drops import Drops
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.rules import check_rules
from m3w.pipeline.filters.section import Consent, Pii, Rules, Urls
from m3w.pipeline.filters.signals.image import IMAGE_SIGNALS
from m3w.pipeline.filters.signals.word_lists import WordListFiles
from m3w.pipeline.images.section import Images, Scores
from m3w.recipes.section import Section


class Recipe(Section):
    """Everything about a run."""

    crawl: Crawl
    extract: Extract = Extract()
    urls: Urls = Urls()
    word_lists: WordListFiles = WordListFiles()
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
    def _known_image_signals(self) -> Self:
        check_rules(self.rules.image, (*IMAGE_SIGNALS, *self.scores.signals), "rules.image")
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def smallest_side(self) -> float:
        """Pixels; an image that its page declares with a shorter side need not be asked of the web: a rule drops it.

        What lies in the archive costs nobody anything, so there it is looked at.
        """
        if self.fetch.source != "web":
            return 0.0
        rules = self.rules.image.items()
        return max((rule.min or 0.0 for name, rule in rules if (rule.signal or name) == "shorter_side"), default=0.0)
