"""What is trained: the backbones, the tokenizer, the parts between."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from m3w.recipes.section import Section


class Backbone(Section):
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


class TokenizerSource(Section):
    """A tokenizer: made already, or a byte-pair encoding trained on the dataset's text."""

    pretrained: str | None = None
    vocabulary: int | None = Field(default=None, ge=300)
    """Size of the vocabulary to train; 256 of it are the bytes."""

    @model_validator(mode="after")
    def _one_source(self) -> TokenizerSource:
        if (self.pretrained is None) == (self.vocabulary is None):
            raise ValueError("give either `pretrained` (a folder or name) or `vocabulary` (a size, to train one)")
        return self


class Architecture(Section):
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


class PretrainingRecipe(Section):
    """What a vision encoder from scratch learns before the first step: see trainer/pretraining.py."""

    epochs: int = Field(ge=1)
    """Times each picture of the dataset is seen."""
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)


class LanguagePretrainingRecipe(Section):
    """What a language model from scratch learns before the first step: see trainer/language_pretraining.py."""

    steps: int = Field(ge=1)
    batch_size: int = Field(default=32, ge=1)
    """Rows of `data.tokens` tokens."""
    learning_rate: float = Field(default=2e-3, gt=0)


class ModelRecipe(Section):
    language_model: Backbone
    vision_encoder: Backbone
    pretraining: PretrainingRecipe | None = None
    """Of the vision encoder."""
    language_pretraining: LanguagePretrainingRecipe | None = None
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
        if self.language_pretraining is not None and self.language_model.config is None:
            raise ValueError(
                "`language_pretraining` is for a language model from scratch, this one is trained; leave it out"
            )
        return self
