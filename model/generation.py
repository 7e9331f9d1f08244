"""Generation: support for images in `generate`.

Images are encoded, and their keys and values in every cross-attention block computed, at the first step; from then on
they are in the cache. A later turn passes its own images with the cache of the turns before.

Shapes: B rows, L tokens, N images.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation import GenerationMode

from m3w.model.cache import FlamingoCache

_Base: Any = object
"""At run time a plain mixin in front of transformers' classes, which have no types."""

IMAGE_ARGUMENTS = ("pixel_values", "image_counts")


class FlamingoGeneration(_Base):  # type: ignore[misc]
    """`generate` with `pixel_values` and `image_counts`: greedy, sampling, beams, with or without cache."""

    @torch.no_grad()
    def generate(self, inputs: Tensor | None = None, **kwargs: Any) -> Any:
        """Like transformers' `generate`, with `pixel_values`, `image_counts` and `phi` as in `forward`.

        Rows with padding at the right get it at the left instead (the output then begins with padding). For a further
        turn pass the whole text, `past_key_values` of the turn before (`return_dict_in_generate=True`) and either all
        images or the new ones.
        """
        if inputs is not None:
            kwargs["input_ids"] = inputs
        if kwargs.get("past_key_values") is None:
            kwargs.update(_left_padded(kwargs))
        return super().generate(**kwargs)

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], generation_mode: GenerationMode, *args: Any
    ) -> None:
        if generation_config.cache_implementation not in (None, "dynamic"):
            raise ValueError(
                f"cache_implementation is {generation_config.cache_implementation!r}, which cannot store images; "
                "leave it out to get a FlamingoCache"
            )
        if generation_config.use_cache is not False and model_kwargs.get("past_key_values") is None:
            model_kwargs["past_key_values"] = FlamingoCache(config=self.config.get_text_config(decoder=True))
        super()._prepare_cache_for_generation(generation_config, model_kwargs, generation_mode, *args)

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Tensor | None = None, **kwargs: Any
    ) -> tuple[Tensor, dict[str, Any]]:
        """Repeats the rows for beams, but not images and their counts: all beams of a row share them."""
        images = {name: kwargs.pop(name) for name in IMAGE_ARGUMENTS if kwargs.get(name) is not None}
        if "pixel_values" in images and "image_counts" not in images and input_ids is not None:
            images["image_counts"] = (input_ids == self.config.image_token_id).sum(dim=1)
        input_ids, kwargs = super()._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **kwargs
        )
        assert input_ids is not None
        return input_ids, {**kwargs, **images, "beams": expand_size}

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, next_sequence_length: int | None = None, past_key_values: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The arguments of `forward` for the next step: images at the first step only, phi for the tokens that it
        covers."""
        images = {name: kwargs.pop(name, None) for name in (*IMAGE_ARGUMENTS, "phi")}
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, next_sequence_length=next_sequence_length, past_key_values=past_key_values, **kwargs
        )
        new_tokens = inputs["input_ids"].shape[1]
        if isinstance(past_key_values, FlamingoCache) and kwargs.get("use_cache", True):
            inputs.update(_not_yet_cached(images, input_ids, past_key_values, self.config.image_token_id))
        else:
            inputs.update({name: images[name] for name in IMAGE_ARGUMENTS})
        inputs["phi"] = _phi_of_step(images["phi"], input_ids, new_tokens)
        return inputs


def generation_defaults(language_model: PreTrainedModel, end_of_chunk_token_id: int) -> GenerationConfig:
    """The language model's generation configuration, with `<|endofchunk|>` as a further end."""
    given = getattr(language_model, "generation_config", None)
    defaults = deepcopy(given) if given is not None else GenerationConfig()
    ends = defaults.eos_token_id if isinstance(defaults.eos_token_id, list) else [defaults.eos_token_id]
    ends = [*(end for end in ends if end is not None), end_of_chunk_token_id]
    defaults.eos_token_id = sorted(set(ends))
    if defaults.pad_token_id is None:
        defaults.pad_token_id = ends[0]
    return defaults


def _not_yet_cached(
    images: dict[str, Any], input_ids_BL: Tensor, cache: FlamingoCache, image_token_id: int
) -> dict[str, Any]:
    """The images that are not in the cache. `images` are those of the whole text, or the new ones only."""
    pixels, counts_B = images["pixel_values"], images["image_counts"]
    if pixels is None or cache.counts_B is None:
        return {name: images[name] for name in IMAGE_ARGUMENTS}
    tags_B = (input_ids_BL == image_token_id).sum(dim=1)
    if counts_B is None:
        counts_B = tags_B if int(tags_B.sum()) == len(pixels) else tags_B - cache.counts_B
    if bool((cache.counts_B >= tags_B).all()):
        return {}
    if not torch.equal(counts_B, tags_B):
        return {"pixel_values": pixels, "image_counts": counts_B}
    first_B = counts_B.cumsum(0) - counts_B
    number_N = torch.arange(len(pixels), device=counts_B.device)
    row_N = torch.repeat_interleave(torch.arange(len(counts_B), device=counts_B.device), counts_B)
    is_new = number_N - first_B[row_N] >= cache.counts_B[row_N]
    return {"pixel_values": pixels[is_new.to(pixels.device)], "image_counts": counts_B - cache.counts_B}


def _phi_of_step(phi_BL: Tensor | None, input_ids_BL: Tensor, new_tokens: int) -> Tensor | None:
    """phi of the step's tokens. Tokens after the end of a given phi attend to the last image, as by default."""
    if phi_BL is None:
        return None
    beyond = input_ids_BL.shape[1] - phi_BL.shape[1]
    if beyond >= new_tokens:
        return None
    last = phi_BL.max(dim=1, keepdim=True).values.expand(-1, max(beyond, 0))
    return torch.cat((phi_BL, last), dim=1)[:, -new_tokens:]


def _left_padded(kwargs: dict[str, Any]) -> dict[str, Any]:
    """input_ids, mask and phi with the padding of every row moved to its left."""
    mask_BL, input_ids_BL = kwargs.get("attention_mask"), kwargs.get("input_ids")
    if mask_BL is None or input_ids_BL is None or mask_BL.ndim != 2 or bool((mask_BL[:, -1] != 0).all()):
        return {}
    length = mask_BL.shape[1]
    position_L = torch.arange(length, device=mask_BL.device)
    padding_B = length - 1 - (mask_BL * (position_L + 1)).argmax(dim=1)
    from_BL = (position_L - padding_B[:, None]) % length
    named = {"input_ids": input_ids_BL, "attention_mask": mask_BL, "phi": kwargs.get("phi")}
    return {name: value.gather(1, from_BL) for name, value in named.items() if value is not None}
