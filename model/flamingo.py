"""Flamingo: a language model that attends to images through a resampler and gated cross-attention.

Alayrac et al., arXiv 2204.14198, section 3. A call runs the vision encoder and the resampler once per image (not for
cached ones), the language model and its cross-attention blocks once per token.

Shapes: B rows, L tokens, N images or videos of the batch, T frames, C = 3 channels, H and W pixels, R visual tokens
of an image, M their width, E width of embeddings, V columns of the logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.utils import ModelOutput

from m3w.model.attention_map import build_attention_map
from m3w.model.cache import FlamingoCache, as_flamingo_cache
from m3w.model.checkpoint import FlamingoCheckpoint, load_language_model, load_vision_encoder
from m3w.model.config import FlamingoConfig
from m3w.model.cross_attention import GatedCrossAttention, VisionContext
from m3w.model.generation import FlamingoGeneration, generation_defaults
from m3w.model.insertion import BLOCKS_GET_NO_KEYWORDS, insert, reaching_every_block
from m3w.model.layers import initialize
from m3w.model.loss import IGNORED, next_token_loss
from m3w.model.new_tokens import NewTokens, attach
from m3w.model.positions import packed_arguments, position_ids_of
from m3w.model.resampler import PerceiverResampler, latent_projection
from m3w.model.vision import check_pixels, feature_width, frame_features


@dataclass
class FlamingoOutput(ModelOutput):  # type: ignore[misc]
    """The output of a call."""

    loss: Tensor | None = None
    """Mean over the labels that count, if labels were given."""
    logits: Tensor | None = None
    """[B, L, V]: the language model's columns, followed by those of new tokens."""
    past_key_values: FlamingoCache | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class Flamingo(FlamingoCheckpoint, FlamingoGeneration, PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """A frozen language model, a frozen vision encoder, and the new parts that connect them.

    Only the new parts train unless the configuration (or `set_frozen`) says otherwise. Names of their parameters:
    `resampler.*`, `latent_projection.*`, `new_tokens.*`, and `*.cross_attention.*` inside the language model.
    """

    config: FlamingoConfig
    config_class = FlamingoConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities: ClassVar[tuple[str, ...]] = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _no_split_modules: ClassVar[list[str]] = ["CrossAttendingBlock"]

    def __init__(
        self,
        config: FlamingoConfig,
        language_model: PreTrainedModel | None = None,
        vision_encoder: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(config)
        if language_model is None:
            language_model = AutoModelForCausalLM.from_config(config.text_config)
        if vision_encoder is None:
            vision_encoder = AutoModel.from_config(config.vision_config)
        config.text_config, config.vision_config = language_model.config, vision_encoder.config
        self.vision_encoder = vision_encoder
        self.resampler = PerceiverResampler(config)
        self.latent_projection = latent_projection(config)
        for part in (self.resampler, self.latent_projection):
            initialize(part, config.initializer_range)
        inputs, outputs = language_model.get_input_embeddings(), language_model.get_output_embeddings()
        self.new_tokens = NewTokens(config, inputs, outputs)
        attach(self.new_tokens, outputs)
        blocks = {at: GatedCrossAttention(config, i) for i, at in enumerate(config.cross_attention_layers)}
        insert(language_model, blocks)
        self.language_model = language_model
        self._reached = False
        """Whether a call has shown that the language model passes the vision context to all its blocks."""
        self.blank_size: int | None = None
        """Side in pixels of a blank image, or None. If parameters are sharded, all processes must gather the vision
        encoder or one waits for ever: a call without images then encodes a blank of this size and drops the result."""
        self._keep_initial_values()
        self.generation_config = generation_defaults(language_model, config.end_of_chunk_token_id)
        self.post_init()
        self.set_frozen(language_model=config.freeze_language_model, vision_encoder=config.freeze_vision_encoder)

    @classmethod
    def from_backbones(
        cls,
        config: FlamingoConfig | None = None,
        *,
        language_model: PreTrainedModel | str,
        vision_encoder: PreTrainedModel | str,
        **options: Any,
    ) -> Flamingo:
        """A Flamingo over two models, each a transformers model or its name or folder.

        `options` are fields of `FlamingoConfig` and override those of `config`. The models are not copied: the language
        model's blocks are wrapped in place. Names are stored, so that checkpoints can leave out the backbones.
        """
        if isinstance(language_model, str):
            options.setdefault("language_model_name", language_model)
            language_model = load_language_model(language_model)
        if isinstance(vision_encoder, str):
            options.setdefault("vision_encoder_name", vision_encoder)
            vision_encoder = load_vision_encoder(vision_encoder)
        if config is None:
            options.setdefault("vision_width", feature_width(vision_encoder))
        fields = {} if config is None else config.own_fields()
        # Copies: a configuration resets the attention kernel in the sub-configurations it is given.
        backbones = {"text_config": deepcopy(language_model.config), "vision_config": deepcopy(vision_encoder.config)}
        return cls(FlamingoConfig(**{**fields, **options, **backbones}), language_model, vision_encoder)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_counts: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        phi: Tensor | None = None,
        past_key_values: FlamingoCache | None = None,
        use_cache: bool = False,
        beams: int = 1,
        **kwargs: Any,
    ) -> FlamingoOutput:
        """Logits of every next token and, with labels, their loss.

        input_ids [B, L]. pixel_values [N, T, 3, H, W]: the images of all rows, row by row, in the order of their
        `<image>` tags; None or N = 0 without images. image_counts [B]: the number of images of each row; None counts
        the tags. labels [B, L]: like input_ids, -100 at tokens without loss; the loss shifts them and is the mean over
        the tokens with loss. phi [B, L]: i for the row's i-th image, 0 for none; None: the last image at or before the
        token. The attention mask is that of the text; padding may be on either side.
        Several documents may be packed into one row: without a mask, `position_ids` [B, L] in `kwargs` that start at 0
        with each document keep their attention separate (not in bloom); phi must do so for images.
        `past_key_values` holds earlier tokens and their images: then all arguments are those of the new tokens.

        Raises ValueError if the numbers of tags and images differ, if phi names an image that does not exist, or if
        the pixels don't have the shape above.
        """
        if past_key_values is None and use_cache:
            past_key_values = FlamingoCache(config=self.language_model.config)
        cache = as_flamingo_cache(past_key_values)
        latents_NRM = self.encode_images(pixel_values)
        is_image_BL = input_ids.eq(self.config.image_token_id)
        attention_map = build_attention_map(
            is_image_BL, len(latents_NRM), image_counts, phi, cache, attend=self.config.attend, beams=beams
        )
        outputs = self._run_language_model(
            self.new_tokens.embed(input_ids, self.language_model.get_input_embeddings()),
            VisionContext(latents_NRM, attention_map, cache),
            attention_mask=attention_mask,
            use_cache=use_cache,
            **kwargs,
        )
        loss = None
        if labels is not None:
            loss = next_token_loss(self._predictable(labels), outputs.logits, kwargs.get("num_items_in_batch"))
        return FlamingoOutput(
            loss=loss,
            logits=outputs.logits,
            past_key_values=cache if use_cache else None,
            hidden_states=outputs.get("hidden_states"),
            attentions=outputs.get("attentions"),
        )

    def encode_images(self, pixel_values: Tensor | None) -> Tensor:
        """latents_NRM of pixel_values [N, T, 3, H, W]; empty for None. A frozen encoder gets no gradient."""
        if pixel_values is not None:
            check_pixels(pixel_values)
        images = 0 if pixel_values is None else len(pixel_values)
        if images == 0 and self.blank_size is not None:
            pixel_values = torch.zeros(1, 1, 3, self.blank_size, self.blank_size, device=self.vision_encoder.device)
        elif images == 0 and self.config.freeze_vision_encoder:
            pixel_values = None
        if pixel_values is None:
            features = torch.zeros(0, 1, 1, self.config.vision_width, device=self.vision_encoder.device)
        else:
            pixels_MCHW = pixel_values.flatten(0, 1).to(self.vision_encoder.dtype)
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision_encoder):
                features_MSV = frame_features(self.vision_encoder, pixels_MCHW)
            features = features_MSV.view(*pixel_values.shape[:2], *features_MSV.shape[1:])[:images]
        latents_NRM: Tensor = self.latent_projection(self.resampler(features))
        return latents_NRM

    def _run_language_model(
        self, x_BLE: Tensor, vision_context: VisionContext, *, attention_mask: Tensor | None, **kwargs: Any
    ) -> Any:
        cache = vision_context.cache
        for ours in ("num_items_in_batch", "return_dict"):
            kwargs.pop(ours, None)
        if kwargs.get("position_ids") is not None and attention_mask is None and cache is None:
            packed = packed_arguments(self.language_model, kwargs.pop("position_ids"), x_BLE.dtype)
            attention_mask = packed.pop("attention_mask", None)
            kwargs |= packed
        if kwargs.get("position_ids") is None:
            kwargs["position_ids"] = position_ids_of(self.language_model, attention_mask, x_BLE.shape[1])
        if kwargs["position_ids"] is None:
            del kwargs["position_ids"]
        if self.language_model.config.model_type in BLOCKS_GET_NO_KEYWORDS:
            cache = cache if cache is not None else FlamingoCache()
            cache.vision_context = vision_context
        else:
            kwargs["cross_attention"] = vision_context
        unverified = not (self._reached or torch.compiler.is_compiling())
        with reaching_every_block(self.language_model) if unverified else nullcontext():
            outputs = self.language_model(
                inputs_embeds=x_BLE, attention_mask=attention_mask, past_key_values=cache, return_dict=True, **kwargs
            )
        self._reached = True
        if cache is not None:
            cache.vision_context = None
        if getattr(self.language_model.config, "final_logit_softcapping", None):
            outputs.logits = self.new_tokens.hide_unpredictable(outputs.logits)
        return outputs

    def _predictable(self, labels_BL: Tensor) -> Tensor:
        """The labels, without those of `<image>` if it has no logit, since it is never generated."""
        if self.new_tokens.image_has_logit:
            return labels_BL
        return labels_BL.masked_fill(labels_BL.eq(self.config.image_token_id), IGNORED)

    def set_frozen(self, *, language_model: bool | None = None, vision_encoder: bool | None = None) -> None:
        """Freeze (True) or train (False) the backbones; None changes nothing. The new parts always train."""
        if language_model is not None:
            self.config.freeze_language_model = language_model
            for name, parameter in self.language_model.named_parameters():
                if ".cross_attention." not in name:
                    parameter.requires_grad_(not language_model)
        if vision_encoder is not None:
            self.config.freeze_vision_encoder = vision_encoder
            self.vision_encoder.requires_grad_(not vision_encoder)
        self.train(self.training)

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that train, in a stable order."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def train(self, mode: bool = True) -> Any:
        """Like any module's, but a frozen vision encoder stays in evaluation mode."""
        super().train(mode)
        if self.config.freeze_vision_encoder:
            self.vision_encoder.eval()
        return self

    @property
    def cross_attention_blocks(self) -> list[GatedCrossAttention]:
        """The gated cross-attention blocks, first to last."""
        return [part for part in self.language_model.modules() if isinstance(part, GatedCrossAttention)]

    def get_input_embeddings(self) -> nn.Module:
        """The language model's embeddings; those of the new tokens are in `new_tokens`."""
        embeddings: nn.Module = self.language_model.get_input_embeddings()
        return embeddings

    def get_output_embeddings(self) -> nn.Module:
        """The language model's output matrix; the row of `<|endofchunk|>` is in `new_tokens`."""
        head: nn.Module = self.language_model.get_output_embeddings()
        return head

    def _keep_initial_values(self) -> None:
        """Marks all parts as initialised (loaded, or drawn in their constructors), so that transformers keeps their
        values."""
        for part in self.modules():
            own = (*part.parameters(recurse=False), *part.buffers(recurse=False))
            if all(tensor.device.type != "meta" for tensor in own):
                part._is_hf_initialized = True

    def _init_weights(self, module: nn.Module) -> None:
        """Initialises parts that a checkpoint lacks."""
        super()._init_weights(module)
        if isinstance(module, PerceiverResampler):
            nn.init.normal_(module.latents, std=self.config.initializer_range)
