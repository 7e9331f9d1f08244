"""The typed recipe of a build: loads YAML into one frozen value, with errors that name the key.

Every field is in `recipes/m3w.yaml`, with the paper's value if there is one. A stage gets only the keys that its
settings declare (`m3w.pipeline.engine.settings`), so no other key can make it run again.
"""

from m3w.pipeline.crawl.section import Crawl, Index, Storage, Where
from m3w.pipeline.dataset.section import Dataset
from m3w.pipeline.dedup.section import Duplicates
from m3w.pipeline.engine.drops import Drops
from m3w.pipeline.engine.execution import Execution
from m3w.pipeline.extract.section import Extract
from m3w.pipeline.fetch.section import Fetch
from m3w.pipeline.filters.section import BlockedUrls, Consent, Pii, Rules, Urls
from m3w.pipeline.filters.signals.word_lists import WordListFiles
from m3w.pipeline.images.section import Images, Scores
from m3w.pipeline.recipe.recipe import Recipe, load_recipe, parse_recipe

__all__ = [
    "BlockedUrls",
    "Consent",
    "Crawl",
    "Dataset",
    "Drops",
    "Duplicates",
    "Execution",
    "Extract",
    "Fetch",
    "Images",
    "Index",
    "Pii",
    "Recipe",
    "Rules",
    "Scores",
    "Storage",
    "Urls",
    "Where",
    "WordListFiles",
    "load_recipe",
    "parse_recipe",
]
