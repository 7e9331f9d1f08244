"""A recipe's model on the meta device: all of its shapes, none of its memory, nothing from a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from m3w.model import Flamingo
from m3w.recipes.errors import InputError
from m3w.trainer.known_backbones import KNOWN
from m3w.trainer.parallelize import set_types
from m3w.trainer.recipe import Backbone, ModelRecipe

PAPER_IMAGE_SIZE = 320


def meta_model(recipe: ModelRecipe, *, bf16: bool) -> Flamingo:
    """The Flamingo of the recipe without weights, in the types it is trained in.

    Raises InputError for a backbone whose shapes are neither here nor on this machine.
    """
    language, vision = backbone_config(recipe.language_model), backbone_config(recipe.vision_encoder)
    vision = getattr(vision, "vision_config", vision)
    if (
        recipe.tokenizer.vocabulary
        and recipe.language_model.config
        and "vocab_size" not in recipe.language_model.config
    ):
        language.vocab_size = recipe.tokenizer.vocabulary
    architecture = {name: value for name, value in recipe.architecture.model_dump().items() if value is not None}
    with torch.device("meta"):
        model = Flamingo.from_backbones(
            language_model=AutoModelForCausalLM.from_config(language),
            vision_encoder=AutoModel.from_config(vision),
            freeze_language_model=recipe.language_model.frozen,
            freeze_vision_encoder=recipe.vision_encoder.frozen,
            **architecture,
        )
    return set_types(model, bf16=bf16)


def backbone_config(backbone: Backbone) -> Any:
    """The transformers configuration of a backbone: the recipe's, a known one, or one that lies on this machine."""
    if backbone.config is not None:
        return _config(backbone.config)
    name = str(backbone.pretrained)
    if name in KNOWN:
        return _config(KNOWN[name])
    try:
        return AutoConfig.from_pretrained(name, local_files_only=not Path(name).exists())
    except OSError as error:
        raise InputError(
            f"the shapes of {name!r} are not known here and it lies nowhere on this machine, so nothing is counted; "
            "fetch it first, or give its configuration as `config` for the dry run"
        ) from error


def _config(fields: dict[str, Any]) -> Any:
    fields = dict(fields)
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def image_size_of(recipe: ModelRecipe) -> int:
    """Pixels of a side: the recipe's, the encoder's, or the paper's."""
    config = backbone_config(recipe.vision_encoder)
    own: int = getattr(getattr(config, "vision_config", config), "image_size", PAPER_IMAGE_SIZE)
    return recipe.image_size or own
