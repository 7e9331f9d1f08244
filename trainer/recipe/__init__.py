"""The training recipe: one YAML file that says everything about a training.

Unknown keys and wrong types are errors that name the key. Defaults are the paper's (arXiv 2204.14198,
appendix B.1.2) wherever it gives one.
"""

from m3w.trainer.recipe.data import (
    CacheRecipe,
    DataRecipe,
    InterleavedRecipe,
    PackingRecipe,
    PairsRecipe,
    VideosRecipe,
    WindowsRecipe,
)
from m3w.trainer.recipe.model import (
    Architecture,
    Backbone,
    LanguagePretrainingRecipe,
    ModelRecipe,
    PretrainingRecipe,
    TokenizerSource,
)
from m3w.trainer.recipe.parallel import ParallelRecipe
from m3w.trainer.recipe.recipe import Recipe, load_recipe
from m3w.trainer.recipe.training import (
    CheckpointRecipe,
    LogRecipe,
    OptimizerRecipe,
    TrainingRecipe,
    ValidationRecipe,
    WandbRecipe,
)

__all__ = [
    "Architecture",
    "Backbone",
    "CacheRecipe",
    "CheckpointRecipe",
    "DataRecipe",
    "InterleavedRecipe",
    "LanguagePretrainingRecipe",
    "LogRecipe",
    "ModelRecipe",
    "OptimizerRecipe",
    "PackingRecipe",
    "PairsRecipe",
    "ParallelRecipe",
    "PretrainingRecipe",
    "Recipe",
    "TokenizerSource",
    "TrainingRecipe",
    "ValidationRecipe",
    "VideosRecipe",
    "WandbRecipe",
    "WindowsRecipe",
    "load_recipe",
]
