"""The whole recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainer.recipe.data import DataRecipe, PairsRecipe
from trainer.recipe.model import ModelRecipe
from trainer.recipe.parallel import ParallelRecipe
from trainer.recipe.section import Section
from trainer.recipe.training import CheckpointRecipe, LogRecipe, OptimizerRecipe, TrainingRecipe, ValidationRecipe


class Recipe(Section):
    """A whole training."""

    output: str
    """Folder of the training: checkpoints, metrics, the exported model."""
    seed: int = 0
    model: ModelRecipe
    data: DataRecipe
    """The interleaved dataset."""
    pairs: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], PairsRecipe] = Field(default_factory=dict)
    """Further datasets by name; their losses are `loss/NAME` in the journal."""
    optimizer: OptimizerRecipe = Field(default_factory=OptimizerRecipe)
    training: TrainingRecipe
    parallel: ParallelRecipe = Field(default_factory=ParallelRecipe)
    checkpoints: CheckpointRecipe = Field(default_factory=CheckpointRecipe)
    validation: ValidationRecipe = Field(default_factory=ValidationRecipe)
    log: LogRecipe = Field(default_factory=LogRecipe)
