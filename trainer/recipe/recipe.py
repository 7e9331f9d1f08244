"""The whole recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, model_validator

from m3w.recipes.loader import load
from m3w.recipes.section import Section
from m3w.trainer.recipe.data import DataRecipe, InterleavedRecipe, PairsRecipe, VideosRecipe
from m3w.trainer.recipe.model import ModelRecipe
from m3w.trainer.recipe.parallel import ParallelRecipe
from m3w.trainer.recipe.training import CheckpointRecipe, LogRecipe, OptimizerRecipe, TrainingRecipe, ValidationRecipe

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Recipe(Section):
    """A whole training."""

    output: str
    """Folder of the training: checkpoints, metrics, the exported model."""
    seed: int = 0
    model: ModelRecipe
    data: DataRecipe
    """The interleaved dataset."""
    interleaved: dict[Name, InterleavedRecipe] = Field(default_factory=dict)
    """Further datasets by name; their losses are `loss/NAME` in the journal. So of `pairs` and `videos`."""
    pairs: dict[Name, PairsRecipe] = Field(default_factory=dict)
    videos: dict[Name, VideosRecipe] = Field(default_factory=dict)
    optimizer: OptimizerRecipe = Field(default_factory=OptimizerRecipe)
    training: TrainingRecipe
    parallel: ParallelRecipe = Field(default_factory=ParallelRecipe)
    checkpoints: CheckpointRecipe = Field(default_factory=CheckpointRecipe)
    validation: ValidationRecipe = Field(default_factory=ValidationRecipe)
    log: LogRecipe = Field(default_factory=LogRecipe)

    @property
    def further(self) -> dict[str, InterleavedRecipe | PairsRecipe]:
        """All datasets but the first, by `interleaved.NAME`, `pairs.NAME`, `videos.NAME`, in the order of their kinds
        and names."""
        kinds: dict[str, Mapping[str, InterleavedRecipe | PairsRecipe]] = {
            "interleaved": self.interleaved,
            "pairs": self.pairs,
            "videos": self.videos,
        }
        return {f"{kind}.{name}": own for kind, found in kinds.items() for name, own in sorted(found.items())}

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = [key.partition(".")[2] for key in self.further]
        if twice := sorted({name for name in names if names.count(name) > 1 or name == "interleaved"}):
            raise ValueError(f"two datasets are called {twice[0]}, so their losses could not be told apart; rename one")
        return self


def load_recipe(path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load the training recipe at `path`; see `m3w.recipes.loader.load`. Raises `InputError`."""
    return load(path, overrides, Recipe)
