"""Everything about a run in one frozen value, and which fields a stage's result depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Self

from pydantic import model_validator

from m3w.pipeline.crawl.section import Crawl
from m3w.pipeline.dataset.section import Dataset
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.drops import Drops
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.engine.list_file import by_content
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.rules import check_rules
from m3w.pipeline.filters.section import Consent, Pii, Rules, Urls
from m3w.pipeline.filters.signals.image import IMAGE_SIGNALS
from m3w.pipeline.filters.signals.word_lists import WordListFiles
from m3w.pipeline.images.section import Images, Scores
from m3w.recipes.loader import dump_yaml
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

    @model_validator(mode="after")
    def _known_stages(self) -> Self:
        for name in self.execution.stages.keys() - STAGE_FIELDS.keys():
            raise ValueError(f"execution.stages.{name} is no stage; stages are {', '.join(STAGE_FIELDS)}")
        return self

    def to_yaml(self) -> str:
        return dump_yaml(self.model_dump(mode="json"))

    def digest(self, fields: tuple[str, ...]) -> str:
        """SHA-256 (hex) of the given fields, written `section`, `section.field` and so on.

        In the recipe's order, since of two rules that an image breaks the first gives the reason. Lists that are named
        count by their content. Raises `InputError` for one that cannot be read.
        """
        values = self.model_dump()
        chosen = {}
        for name in fields:
            value = values
            for key in name.split("."):
                value = value[key]
            chosen[name] = by_content(value)
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


COPIES = (
    "duplicates.same_page",
    "duplicates.same_text",
    "duplicates.same_images",
    "duplicates.near_text",
    "duplicates.minhash",
)
REPETITIONS = ("duplicates.paragraph_documents", "duplicates.image_url_documents")
FREQUENT_IMAGES = ("duplicates.image_documents", "duplicates.image_excess", "duplicates.image_distance")

STAGE_FIELDS: dict[str, tuple[str, ...]] = {
    "select": ("crawl.prefix", "crawl.index.where"),
    "selected": ("crawl.index.pages_per_part",),
    "extract": ("crawl.format", "extract", "word_lists", "fetch.agent", "fetch.max_image_mib", "drops"),
    "filter": (
        "urls.pages",
        "consent",
        "word_lists",
        "rules.languages",
        "rules.text",
        "rules.image_reference",
        "rules.document",
        "pii",
        "drops",
    ),
    "evaluation": (
        "duplicates.evaluation.images",
        "duplicates.evaluation.image_column",
        "duplicates.evaluation.texts",
        "duplicates.evaluation.text_column",
        "duplicates.evaluation.ngram",
        "fetch.max_megapixels",
        "images.size",
        "images.pixels",
    ),
    "fingerprint": (*COPIES, "duplicates.evaluation.texts", "duplicates.evaluation.ngram"),
    "deduplicate": COPIES,
    "repeated": REPETITIONS,
    "unique": (*REPETITIONS, "duplicates.repeated_images", "drops"),
    "requests": ("fetch.urls_per_part", "fetch.urls_per_host", "urls.images", "consent.opt_out"),
    "fetch": (
        "fetch.source",
        "fetch.agent",
        "fetch.max_redirects",
        "fetch.max_image_mib",
        "fetch.max_megapixels",
        "fetch.robots",
        "fetch.allow_private",
        "fetch.resolve",
        "consent.refuse",
        "consent.tdm",
        "images",
    ),
    "links": (),
    "score": ("scores.scorers",),
    "frequent": FREQUENT_IMAGES,
    "join": (
        "rules.formats",
        "rules.image",
        "consent.opt_out",
        *FREQUENT_IMAGES,
        "duplicates.repeated_images",
        "duplicates.repeated_distance",
        "duplicates.evaluation.images",
        "duplicates.evaluation.image_distance",
        "drops",
        "dataset",
    ),
    "assemble": ("dataset", "drops"),
}
"""What each stage's own result depends on, besides its inputs, which the ledger names by their content's hash."""

RESULT_FIELDS = (
    "crawl.paths",
    "crawl.prefix",
    "crawl.index",
    "crawl.part_mib",
    "extract",
    "urls",
    "word_lists",
    "rules",
    "pii",
    "duplicates",
    "fetch",
    "consent",
    "images",
    "scores.scorers",
    "dataset",
)
"""All that can change a dataset; `execution` and how stores are asked cannot."""


def stages_of(recipe: Recipe) -> list[str]:
    """The stages that a run of `recipe` has, in order: those that serve a switch that is off are passed over."""
    switches = recipe.duplicates
    off = {
        "select": not recipe.crawl.index.paths,
        "selected": not recipe.crawl.index.paths,
        "evaluation": switches.evaluation.images is None and switches.evaluation.texts is None,
        "repeated": not switches.finds_repetitions,
        "score": not recipe.scores.scorers,
        "frequent": switches.image_documents is None,
    }
    return [stage for stage in STAGE_FIELDS if not off.get(stage)]
