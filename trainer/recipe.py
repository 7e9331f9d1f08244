"""The training recipe: one YAML file that says everything about a training.

Unknown keys and wrong types are errors that name the key. Defaults are the paper's (arXiv 2204.14198,
appendix B.1.2) wherever it gives one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class RecipeError(ValueError):
    """A recipe that cannot be used; the message is for the user, one line a fault."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Backbone(_Part):
    """A vision encoder or a language model: trained already, or from scratch. Exactly one of the two fields."""

    pretrained: str | None = None
    """Folder or name, as `from_pretrained` of transformers takes it."""
    config: dict[str, Any] | None = None
    """Fields of a transformers configuration, with `model_type`; weights are drawn from the recipe's seed."""
    frozen: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> Backbone:
        if (self.pretrained is None) == (self.config is None):
            raise ValueError("give either `pretrained` (a folder or name) or `config` (to train from scratch)")
        if self.config is not None and "model_type" not in self.config:
            raise ValueError("`config` needs a `model_type`, such as `llama` or `clip_vision_model`")
        return self


class TokenizerSource(_Part):
    """A tokenizer: made already, or a byte-pair encoding trained on the dataset's text."""

    pretrained: str | None = None
    vocabulary: int | None = Field(default=None, ge=300)
    """Size of the vocabulary to train; 256 of it are the bytes."""

    @model_validator(mode="after")
    def _one_source(self) -> TokenizerSource:
        if (self.pretrained is None) == (self.vocabulary is None):
            raise ValueError("give either `pretrained` (a folder or name) or `vocabulary` (a size, to train one)")
        return self


class Architecture(_Part):
    """The parts between the backbones: fields of `model.FlamingoConfig`; null: its default, the paper's."""

    cross_attention_interval: int | None = None
    cross_attention_first: int | None = None
    cross_attention_heads: int | None = None
    head_dim: int | None = None
    feed_forward_multiple: float | None = None
    activation: str | None = None
    attend: str | None = None
    resampler_layers: int | None = None
    resampler_latents: int | None = None
    resampler_heads: int | None = None
    resampler_width: int | None = None
    resampler_frames: int | None = None
    latent_width: int | None = None
    vision_width: int | None = None
    """Channels of a feature, for encoders whose configuration has no `hidden_size`."""
    initializer_range: float | None = None


class PretrainingRecipe(_Part):
    """What a vision encoder from scratch learns before the first step: see trainer/pretraining.py."""

    epochs: int = Field(ge=1)
    """Times each picture of the dataset is seen."""
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)


class ModelRecipe(_Part):
    language_model: Backbone
    vision_encoder: Backbone
    pretraining: PretrainingRecipe | None = None
    tokenizer: TokenizerSource
    architecture: Architecture = Field(default_factory=Architecture)
    open_gates: float = 0.0
    """Where the gates' alpha starts. 0 (the paper) keeps a trained language model as it is; where that is trained
    from scratch too there is nothing to keep, and an open gate passes gradients to the vision encoder at once."""
    image_size: int | None = Field(default=None, ge=16)
    """Side of the square that the vision encoder sees, pixels; null: as the encoder says (the paper: 320)."""

    @model_validator(mode="after")
    def _pretraining_has_a_use(self) -> ModelRecipe:
        if self.pretraining is not None and self.vision_encoder.config is None:
            raise ValueError("`pretraining` is for a vision encoder from scratch, this one is trained; leave it out")
        return self


class DataRecipe(_Part):
    """What is read, and how a sequence becomes a window (appendix A.3.1)."""

    dataset: str
    """Folder with a `dataset.json`; an fsspec path."""
    tokens: int = Field(default=256, ge=8)
    """L: the length of a window."""
    images: int = Field(default=5, ge=1)
    """N: the most images of a window."""
    p_next: float = Field(default=0.5, ge=0, le=1)
    """How often the text of a page attends to the next image and not to the previous one."""
    start_at_image: bool = False
    """Windows start at an image drawn evenly, not at any token: with a small `tokens`, what pairs would be."""
    flip: bool = True
    """Mirror half of the images, left to right. Turn it off where texts say left and right."""
    colour: bool = True
    """Change brightness, contrast and saturation a little."""
    shards_per_block: int = Field(default=16, ge=1)
    """Samples are shuffled within so many shards at a time; a reader goes to so many at once."""
    weight: float = Field(default=1.0, gt=0)
    """Lambda, beside those of `pairs`."""
    workers: int = Field(default=2, ge=0)
    """Loader processes of each rank, for each dataset."""
    check: Literal["sizes", "contents"] = "sizes"
    """What of the shards is compared with `dataset.json` before the start: `contents` reads all of them."""


class PairsRecipe(_Part):
    """Image-text pairs trained on besides: tars as img2dataset, LAION and COYO have them."""

    shards: list[str] = Field(min_length=1)
    """Paths and globs; fsspec paths."""
    batch_size: int = Field(ge=1)
    """Of one update, over all processes."""
    weight: float = Field(default=0.2, gt=0)
    """Lambda: the paper's for its pairs (ALIGN and LTIP 0.2 each) beside 1 for the interleaved dataset."""
    tokens: int = Field(default=32, ge=8)
    """L: 32 or 64 in the paper."""
    leading_space: float = Field(default=0.5, ge=0, le=1)
    """How often a text gets a space before it."""
    flip: bool = True
    colour: bool = True
    shards_per_block: int = Field(default=16, ge=1)


class OptimizerRecipe(_Part):
    """AdamW; 0 to `learning_rate` over `warmup_steps`, then constant; over the last `cooldown_steps` to 0."""

    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=5000, ge=0)
    cooldown_steps: int = Field(default=0, ge=0)
    """0 in the paper. A short training gains from some: its last steps average out what the large ones shook."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    """Not on the resampler, as in the paper."""
    clip: float = Field(default=1.0, gt=0)
    """Largest global norm of the gradients."""


class TrainingRecipe(_Part):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Samples of one update, over all processes: the number of lanes."""
    micro_batch_size: int = Field(default=8, ge=1)
    """The most samples that a process takes through the model at once."""
    take_turns: bool = False
    """With further datasets: one a step, round robin. The paper adds up the gradients of all, and found turns worse."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto`: bf16 autocast where a GPU is, else fp32."""


class CheckpointRecipe(_Part):
    every: int = Field(default=1000, ge=1)
    """Steps from one to the next; the last step always has one."""
    keep: int = Field(default=3, ge=1)
    """The newest so many stay."""
    keep_every: int | None = Field(default=None, ge=1)
    """Checkpoints of steps that this divides stay for good."""


class ValidationRecipe(_Part):
    """Held-out loss and the look test, on the same windows every time."""

    every: int = Field(default=1000, ge=1)
    batches: int = Field(default=8, ge=1)
    batch_size: int = Field(default=16, ge=2)


class LogRecipe(_Part):
    every: int = Field(default=10, ge=1)
    tensorboard: bool = True


class Recipe(_Part):
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
    checkpoints: CheckpointRecipe = Field(default_factory=CheckpointRecipe)
    validation: ValidationRecipe = Field(default_factory=ValidationRecipe)
    log: LogRecipe = Field(default_factory=LogRecipe)


class _YamlLoader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but `1e-4` is a number, not a text."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_recipe(path: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in the YAML file at `path`, with `a.b=c` overrides applied before it is checked.

    Raises RecipeError that names each key that is unknown, missing or of a wrong type.
    """
    file = Path(path)
    if not file.is_file():
        raise RecipeError(f"{path} is not a file, so there is no recipe to train by; recipes/ holds some")
    fields = _parse_yaml(file.read_text(encoding="utf-8"), path)
    if not isinstance(fields, dict):
        raise RecipeError(f"{path} holds no keys and values; see recipes/train-tiny.yaml for the form")
    for override in overrides:
        _override(fields, override)
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise RecipeError(_describe(error, path)) from error


def _parse_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_YamlLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not YAML: {' '.join(str(error).split())}") from error


def _override(fields: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not all(key.split(".")):
        raise RecipeError(f"override {override!r} has no effect: write key=value, such as training.steps=100")
    *parents, last = key.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
        if not isinstance(fields, dict):
            raise RecipeError(
                f"override {override!r}: {parent} holds a value, not keys, so nothing can be set below it"
            )
    fields[last] = _parse_yaml(value, f"override {override!r}")


def _describe(error: ValidationError, path: str) -> str:
    faults = []
    for fault in error.errors():
        key = ".".join(str(place) for place in fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(f"{path}: {key} is not a key of a training recipe; remove it or correct its spelling")
        elif fault["type"] == "missing":
            faults.append(f"{path}: {key} is missing; a training needs it")
        else:
            faults.append(f"{path}: {key} is {fault['input']!r}: {fault['msg']}")
    return "\n".join(faults)
