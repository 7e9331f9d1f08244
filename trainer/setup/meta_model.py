"""A recipe's model on the meta device: all of its shapes, no memory, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from m3w.model import Flamingo
from m3w.recipes.errors import InputError
from m3w.trainer.distributed.precision import set_types
from m3w.trainer.recipe import Backbone, ModelRecipe
from m3w.trainer.setup.build import PAPER_IMAGE_SIZE, new_config


def meta_model(recipe: ModelRecipe, *, bf16: bool) -> Flamingo:
    """The Flamingo of the recipe without weights, in the types that it is trained in.

    Raises InputError for a backbone whose configuration is neither known nor on this machine.
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
    """The transformers configuration of a backbone: the recipe's, a known one, or one on this machine."""
    if backbone.config is not None:
        return new_config(backbone.config)
    name = str(backbone.pretrained)
    if name in KNOWN_BACKBONES:
        return new_config(KNOWN_BACKBONES[name])
    try:
        return AutoConfig.from_pretrained(name, local_files_only=not Path(name).exists())
    except OSError as error:
        raise InputError(
            f"the shapes of {name!r} are not known and it is not on this machine, so nothing can be counted; "
            "download it first, or give its configuration as `config` for the dry run"
        ) from error


def image_size_of(recipe: ModelRecipe) -> int:
    """Side of the image in pixels: the recipe's, else the encoder's, else the paper's."""
    config = backbone_config(recipe.vision_encoder)
    own: int = getattr(getattr(config, "vision_config", config), "image_size", PAPER_IMAGE_SIZE)
    return recipe.image_size or own


KNOWN_BACKBONES: dict[str, dict[str, Any]] = {
    "EleutherAI/pythia-1.4b": {
        "model_type": "gpt_neox",
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 8192,
        "vocab_size": 50304,
    },
    "EleutherAI/pythia-6.9b": {
        "model_type": "gpt_neox",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "intermediate_size": 16384,
        "vocab_size": 50432,
    },
    "Qwen/Qwen2.5-72B": {
        "model_type": "qwen2",
        "hidden_size": 8192,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "intermediate_size": 29568,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    },
    "google/siglip-so400m-patch14-384": {
        "model_type": "siglip_vision_model",
        "hidden_size": 1152,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "intermediate_size": 4304,
        "image_size": 384,
        "patch_size": 14,
    },
}
"""Shapes of the backbones that our recipes name, from their published config.json: a dry run needs no network."""
