"""The typed recipe of a build: YAML in, one frozen value out, errors that name the key.

Every field is in `recipes/m3w.yaml` with the paper's figure where it has one. Which fields a stage's result depends
on is said in `STAGE_FIELDS`; nothing else of a recipe can make a stage run again.
"""

from pipeline.recipe.crawl import Crawl, Index, Storage, Where
from pipeline.recipe.drops import Drops
from pipeline.recipe.duplicates import Duplicates
from pipeline.recipe.execution import Execution
from pipeline.recipe.fetch import Consent, Fetch
from pipeline.recipe.images import Images
from pipeline.recipe.load import load_recipe, parse_recipe
from pipeline.recipe.pii import Pii
from pipeline.recipe.recipe import RESULT_FIELDS, STAGE_FIELDS, Recipe, stages_of
from pipeline.recipe.rules import Rules
from pipeline.recipe.scores import Scores
from pipeline.recipe.sections import Dataset, Extract
from pipeline.recipe.urls import BlockedUrls, Urls
from pipeline.recipe.word_lists import WordListFiles

__all__ = [
    "RESULT_FIELDS",
    "STAGE_FIELDS",
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
    "stages_of",
]
