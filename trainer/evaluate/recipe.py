"""The evaluation recipe: one YAML file with the task, the supports and the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from m3w.recipes.loader import load
from m3w.recipes.section import Section
from m3w.trainer.evaluate.task import Task, load_task

TASK_FIELDS = (
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
CHANGEABLE = ("output", "shots", "seeds", "metrics", "split_by", "features")
"""Keys that may change between two calls with one output: shots and seeds are added, scores are computed again."""


class SplitBy(Section):
    """Scores by groups of queries: the paper's bias check, on COCO captions of people."""

    column: str
    """A column of the benchmark's records or, with `table`, of that table."""
    table: str | None = None
    """Your own CSV, JSON lines or Parquet file; a relative path starts at `root`."""
    key: str = "key"
    """The table's column with the queries' keys (COCO: the image's number)."""


class ReconstructionRecipe(Section):
    """Images are generated from the captions and compared with the captioned ones: see reconstruction.py."""

    pipeline: str
    """Folder or name of a diffusers pipeline."""
    clip: str
    """Folder or name of a CLIP model, whose image features are compared."""
    steps: int = Field(default=50, ge=1)
    """Steps of the diffusion."""
    guidance: float = 7.5
    side: int | None = Field(default=None, ge=8)
    """Pixels of an image's side; null: the pipeline's default."""


class FinetuneRecipe(Section):
    """The checkpoint is fine-tuned on the supports first: see finetuning.py."""

    steps: int = Field(ge=1)
    batch_size: int = Field(default=16, ge=1)
    """Examples of one step, over all processes."""
    learning_rate: float = Field(default=1e-5, gt=0)
    vision_encoder: bool = True
    """Whether it is trained, too, as in the paper."""
    language_model: bool = False
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)


class EvaluationRecipe(Section):
    """A whole evaluation."""

    output: str
    """The folder of predictions and results."""
    task: str
    """One of the tasks that come with m3w, or the path of your own YAML file."""
    root: str = "."
    """The folder of the benchmark's files; an fsspec path."""
    reader: str | None = None
    queries: dict[str, Any] = Field(default_factory=dict)
    supports: dict[str, Any] = Field(default_factory=dict)
    prompt: str | None = None
    answer: str | None = None
    form: Literal["open", "close"] | None = None
    metrics: list[str] | None = None
    max_new_tokens: int | None = None
    stop: list[str] | None = None
    """These replace the task's; `queries` and `supports` key by key."""
    shots: list[int] = Field(default=[0, 4, 8, 16, 32], min_length=1)
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    """Each seed draws its own supports; mean and spread are over seeds."""
    draw: int | None = Field(default=2048, ge=1)
    """The number of examples that supports are chosen from; null: all."""
    choose: Literal["random", "rices"] = "random"
    features: str | None = None
    """The folder of the features that RICES compares; null: `features` in the output."""
    text_exemplars: int = Field(default=2, ge=0)
    """The number of supports that a prompt of 0 shots shows, without their pictures."""
    orders: int = Field(default=1, ge=1)
    """Orders of the shots to average log-likelihoods over, in close-ended tasks; the paper's ensembles: 6."""
    beams: int = Field(default=3, ge=1)
    length_penalty: float = 1.0
    normalise_length: bool = False
    """Divide an answer's log-likelihood by its number of tokens."""
    end_of_chunk: bool = True
    """Rank answers with `<|endofchunk|>` at their end, so that the score of "cat" does not include "caterpillar"."""
    starts_with_end_of_chunk: bool = False
    """Start prompts with `<|endofchunk|>`, as pages in training start."""
    limit: int | None = Field(default=None, ge=1)
    """The number of queries to draw, the same ones for all seeds; null: all."""
    query_image: Literal["own", "other"] = "own"
    """`other`: each query gets another query's picture; the score is then what the model guesses without looking."""
    frames: int = Field(default=8, ge=1)
    """The frames of a video."""
    batch_size: int = Field(default=8, ge=1)
    """Queries in one batch."""
    answers_at_once: int = Field(default=64, ge=1)
    """The most answers to rank in one call of the model."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 autocast on a GPU, fp32 elsewhere."""
    split_by: SplitBy | None = None
    round_trip: ReconstructionRecipe | None = None
    finetune: FinetuneRecipe | None = None

    @field_validator("shots", "seeds")
    @classmethod
    def _are_distinct(cls, values: list[int], info: ValidationInfo) -> list[int]:
        if len(set(values)) < len(values):
            raise ValueError(
                f"{info.field_name} {values} repeat a value, which would count twice; give each value once"
            )
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
        changes = {name: getattr(self, name, None) for name in TASK_FIELDS}
        return load_task(self.task, {name: value for name, value in changes.items() if value})

    def identity(self) -> dict[str, Any]:
        """What predictions depend on; an output that holds predictions with another identity is refused."""
        fields = {name: value for name, value in self.model_dump().items() if name not in (*CHANGEABLE, "round_trip")}
        task = self.resolved_task().model_dump()
        return {**fields, "task": {name: value for name, value in task.items() if name not in ("metrics", "about")}}


def load_evaluation(path: str, overrides: Sequence[str] = ()) -> EvaluationRecipe:
    """Load the evaluation recipe at `path`; see `m3w.recipes.loader.load`. Raises `InputError`."""
    return load(path, overrides, EvaluationRecipe)
