"""The evaluation recipe: one YAML file that says what is asked of a checkpoint, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from m3w.recipes.loader import load
from m3w.recipes.section import Section
from m3w.trainer.evaluate.task import Task, load_task

OF_THE_TASK = (
    "about",
    "reader",
    "queries",
    "supports",
    "prompt",
    "answer",
    "form",
    "metrics",
    "max_new_tokens",
    "stop",
)
FREE = ("output", "shots", "seeds", "metrics", "split_by", "features")
"""Keys that may change between two calls on one output: more shots and seeds are added, scores are made anew."""


class SplitBy(Section):
    """Scores by groups of queries: the paper's bias check, on COCO captions of people."""

    column: str
    """Of the benchmark's records or, with `table`, of that table."""
    table: str | None = None
    """A CSV, JSON lines or Parquet file of one's own; below `root` if not absolute."""
    key: str = "key"
    """Its column that has the queries' keys (COCO: the image's number)."""


class RoundTripRecipe(Section):
    """Captions drawn by a text-to-image pipeline, and the pictures compared with the queries' own."""

    pipeline: str
    """Folder or name of a diffusers pipeline."""
    clip: str
    """Folder or name of a CLIP model, whose image features are compared."""
    steps: int = Field(default=50, ge=1)
    """Of the diffusion."""
    guidance: float = 7.5
    side: int | None = Field(default=None, ge=8)
    """Pixels; null: the pipeline's own."""


class FinetuneRecipe(Section):
    """The checkpoint is first fine-tuned on the supports: see finetuning.py."""

    steps: int = Field(ge=1)
    batch_size: int = Field(default=16, ge=1)
    """Of a step, over all processes."""
    learning_rate: float = Field(default=1e-5, gt=0)
    vision_encoder: bool = True
    """Trained too, as in the paper."""
    language_model: bool = False
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)


class EvaluationRecipe(Section):
    """What is asked, with which supports, how often."""

    output: str
    """Folder of predictions and results."""
    task: str
    """One of the tasks that come with the project, or the path of a YAML file of one's own."""
    root: str = "."
    """Folder of the benchmark's files; an fsspec path."""
    reader: str | None = None
    queries: dict[str, Any] = Field(default_factory=dict)
    supports: dict[str, Any] = Field(default_factory=dict)
    prompt: str | None = None
    answer: str | None = None
    form: Literal["open", "close"] | None = None
    metrics: list[str] | None = None
    max_new_tokens: int | None = None
    stop: list[str] | None = None
    """These take the place of the task's; of `queries` and `supports` key by key."""
    shots: list[int] = Field(default=[0, 4, 8, 16, 32], min_length=1)
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    """Each draws its own supports; mean and spread are over them."""
    draw: int | None = Field(default=2048, ge=1)
    """Examples that supports are taken from; null: all."""
    choose: Literal["random", "rices"] = "random"
    features: str | None = None
    """Folder of the features that RICES compares; null: `features` in the output."""
    text_exemplars: int = Field(default=2, ge=0)
    """Supports without pictures that a prompt of 0 shots shows."""
    orders: int = Field(default=1, ge=1)
    """Orders of the shots whose log-likelihoods are averaged, in close-ended tasks; the paper's ensembles: 6."""
    beams: int = Field(default=3, ge=1)
    length_penalty: float = 1.0
    normalise_length: bool = False
    """Divide an answer's log-likelihood by its tokens."""
    end_of_chunk: bool = True
    """A ranked answer ends with `<|endofchunk|>`, so that "cat" does not count "caterpillar" in."""
    starts_with_end_of_chunk: bool = False
    """The prompt starts as training's pages do."""
    limit: int | None = Field(default=None, ge=1)
    """A draw of so many queries, the same for all seeds; null: all."""
    query_image: Literal["own", "other"] = "own"
    """`other`: each query is asked with another query's picture. What is left of the score is not seen, but guessed."""
    frames: int = Field(default=8, ge=1)
    """Of a video."""
    batch_size: int = Field(default=8, ge=1)
    """Queries at once."""
    answers_at_once: int = Field(default=64, ge=1)
    """Answers that are ranked in one call."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 autocast where a GPU is, else fp32."""
    split_by: SplitBy | None = None
    round_trip: RoundTripRecipe | None = None
    finetune: FinetuneRecipe | None = None

    @field_validator("shots", "seeds")
    @classmethod
    def _are_distinct(cls, values: list[int], info: ValidationInfo) -> list[int]:
        if len(set(values)) < len(values):
            raise ValueError(f"{info.field_name} {values} name one twice, so it would count twice; name each once")
        return values

    @field_validator("shots")
    @classmethod
    def _are_not_negative(cls, shots: list[int]) -> list[int]:
        negative = [count for count in shots if count < 0]
        if negative:
            raise ValueError(f"shots {negative} are below 0, so no prompt can have them; give 0 or more")
        return shots

    @model_validator(mode="after")
    def _suits_the_task(self) -> Self:
        if self.resolved_task().form == "open" and self.orders > 1:
            raise ValueError(
                f"orders is {self.orders}, and generated answers cannot be averaged; set orders to 1, or form: close"
            )
        return self

    def resolved_task(self) -> Task:
        """The task with this recipe's changes. Raises InputError."""
        changes = {name: getattr(self, name, None) for name in OF_THE_TASK}
        return load_task(self.task, {name: value for name, value in changes.items() if value})

    def identity(self) -> dict[str, Any]:
        """What predictions depend on: an output that has others of them is not gone on with."""
        fields = {name: value for name, value in self.model_dump().items() if name not in (*FREE, "round_trip")}
        task = self.resolved_task().model_dump()
        return {**fields, "task": {name: value for name, value in task.items() if name not in ("metrics", "about")}}


def load_evaluation(path: str, overrides: Sequence[str] = ()) -> EvaluationRecipe:
    """Load the evaluation recipe at `path`; see `m3w.recipes.loader.load`. Raises `InputError`."""
    return load(path, overrides, EvaluationRecipe)
