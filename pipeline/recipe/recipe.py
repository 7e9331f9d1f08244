"""Everything about a run in one frozen value, and which fields a stage's result depends on."""

from __future__ import annotations

import hashlib
import json

import yaml

from pipeline.list_file import by_content
from pipeline.recipe.fetch import Consent, Fetch
from pipeline.recipe.images import Images
from pipeline.recipe.rules import Rules
from pipeline.recipe.section import Section
from pipeline.recipe.sections import Crawl, Dataset, Execution, Extract
from pipeline.recipe.urls import Urls


class Recipe(Section):
    """Everything about a run."""

    crawl: Crawl
    extract: Extract = Extract()
    urls: Urls = Urls()
    rules: Rules = Rules()
    fetch: Fetch = Fetch()
    consent: Consent = Consent()
    images: Images = Images()
    dataset: Dataset = Dataset()
    execution: Execution = Execution()

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def digest(self, fields: tuple[str, ...]) -> str:
        """SHA-256 (hex) of the given fields, written `section` or `section.field`.

        In the recipe's order, since of two rules that an image breaks the first gives the reason. Lists that are named
        count by their content. Raises `InputError` for one that cannot be read.
        """
        values = self.model_dump()
        chosen = {}
        for name in fields:
            section, _, field = name.partition(".")
            chosen[name] = by_content(values[section][field] if field else values[section])
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


STAGE_FIELDS: dict[str, tuple[str, ...]] = {
    "extract": ("extract", "fetch.agent", "fetch.max_image_mib"),
    "filter": ("urls.pages", "consent", "rules.languages", "rules.document"),
    "deduplicate": (),
    "duplicates": (),
    "unique": (),
    "requests": ("fetch.urls_per_part", "fetch.urls_per_host", "rules.image", "urls.images", "consent.opt_out"),
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
    "join": ("rules.formats", "rules.image", "consent.opt_out", "dataset"),
    "assemble": ("dataset",),
}
"""What each stage's own result depends on, besides its inputs, which the ledger names by their content's hash."""

RESULT_FIELDS = ("crawl", "extract", "urls", "rules", "fetch", "consent", "images", "dataset")
"""All that can change a dataset; `execution` cannot."""
