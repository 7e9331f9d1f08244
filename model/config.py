"""The configuration of a Flamingo: its two backbones and the new parts between them."""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

FORMAT_VERSION = 1
"""Version of the configuration file, increased when older releases could not run a new file."""

ACTIVATIONS = ("squared_relu", "gelu")
ATTEND = ("one", "all_previous")
MULTIPLES = ("feed_forward_multiple", "resampler_feed_forward_multiple")
RESOLVED = ("vision_width", "image_token_id", "end_of_chunk_token_id", "cross_attention_heads")
"""Fields that are derived from the backbones unless given."""


class FlamingoConfig(PreTrainedConfig):  # type: ignore[misc]
    """The backbones' configurations and the sizes of the resampler and the cross-attention blocks.

    The defaults are those of the paper (arXiv 2204.14198, appendix A.1.1 and tables 4 and 5). Raises ValueError
    for an impossible number, an unknown option, or a file of a newer release.
    """

    model_type: ClassVar[str] = "m3w_flamingo"
    sub_configs: ClassVar[dict[str, Any]] = {"text_config": AutoConfig, "vision_config": AutoConfig}

    text_config: Any = None
    """The language model's configuration: one of transformers, or its dict with `model_type`."""
    vision_config: Any = None
    """The vision encoder's configuration, in the same two forms."""
    vision_width: int = None  # type: ignore[assignment]  # never None once made
    """Channels of a vision feature; None reads it from `vision_config` (which lacks it for timm encoders)."""

    image_token_id: int = None  # type: ignore[assignment]  # never None once made
    """Id of `<image>`; None: the first after the language model's vocabulary."""
    end_of_chunk_token_id: int = None  # type: ignore[assignment]  # never None once made
    """Id of `<|endofchunk|>`; None: the one after `<image>`."""

    activation: str = "squared_relu"
    """Activation of the new feed-forward layers: `squared_relu` (the paper) or `gelu` (OpenFlamingo)."""
    head_dim: int = 128
    """Width of one attention head, in the resampler and in the cross-attention."""
    attend: str = "one"
    """`one`: a token attends to the image that phi names; `all_previous`: to that one and all before it (the
    ablation)."""
    feed_forward_multiple: float = 4.0
    """Hidden width of a cross-attention block's feed-forward layer, as a multiple of the language model's."""

    cross_attention_interval: int = 1
    """A cross-attention block is inserted before every `interval`-th block of the language model,"""
    cross_attention_first: int = 0
    """starting from this block, counted from 0. The paper starts at the first, OpenFlamingo at `interval - 1`."""
    cross_attention_heads: int = None  # type: ignore[assignment]  # never None once made
    """None: as many heads of `head_dim` as fit into the language model's width, at least one."""

    resampler_layers: int = 6
    resampler_latents: int = 64
    """Visual tokens per image or video."""
    resampler_heads: int = 16
    resampler_feed_forward_multiple: float = 4.0
    resampler_width: int | None = None
    """None: `vision_width`, without a projection. The paper has 1536 for every encoder."""
    resampler_frames: int = 8
    """Learned temporal embeddings, interpolated for more frames. 0: none, and the order of frames is lost."""
    latent_width: int | None = None
    """Width of the visual tokens that the cross-attention reads; None: `resampler_width`, without a projection."""

    freeze_language_model: bool = True
    freeze_vision_encoder: bool = True
    initializer_range: float = 0.02
    """Standard deviation of the new weights' initial values."""
    format_version: int = FORMAT_VERSION
    checkpoint_holds: str = "everything"
    """In a saved configuration: whether the checkpoint holds `everything` or only what was `trained`."""
    language_model_name: str | None = None
    """Name of the language model that a checkpoint of trained weights needs; None: it is in the checkpoint."""
    vision_encoder_name: str | None = None
    """The same for the vision encoder."""

    def __post_init__(self, **kwargs: Any) -> None:
        if self.format_version > FORMAT_VERSION:
            raise ValueError(
                f"the configuration has format_version {self.format_version}, this release reads up to "
                f"{FORMAT_VERSION}, so its fields may mean something else; install a newer m3w"
            )
        self.text_config = _sub_config(self.text_config, "llama")
        self.vision_config = _sub_config(self.vision_config, "clip_vision_model")
        self._resolve_widths()
        super().__post_init__(**kwargs)
        self._check()

    def _resolve_widths(self) -> None:
        unset = {name for name in RESOLVED if getattr(self, name) is None}
        if "vision_width" in unset:
            self.vision_width = getattr(self.vision_config, "hidden_size", 0)
        if not self.vision_width:
            raise ValueError(
                f"the vision configuration {self.vision_config.model_type!r} does not say how many channels its "
                "features have, so the resampler's width is unknown; set vision_width (3072 for timm's dm_nfnet_f6)"
            )
        vocabulary = self.text_config.vocab_size
        if "image_token_id" in unset:
            self.image_token_id = vocabulary
        if "end_of_chunk_token_id" in unset:
            self.end_of_chunk_token_id = max(vocabulary, self.image_token_id + 1)
        if "cross_attention_heads" in unset:
            self.cross_attention_heads = max(1, self.text_config.hidden_size // max(1, self.head_dim))

    def _check(self) -> None:
        for name, allowed in (("activation", ACTIVATIONS), ("attend", ATTEND)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, which is unknown; take one of {allowed}")
        positive = ("head_dim", "cross_attention_interval", "cross_attention_heads", "resampler_layers")
        for name in (*positive, "resampler_latents", "resampler_heads", *MULTIPLES):
            if getattr(self, name) <= 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, which leaves nothing to compute; it must be above 0"
                )
        if self.image_token_id == self.end_of_chunk_token_id:
            raise ValueError(
                f"image_token_id and end_of_chunk_token_id are both {self.image_token_id}; give each its own"
            )
        layers = self.text_config.num_hidden_layers
        if not 0 <= self.cross_attention_first < layers:
            raise ValueError(
                f"cross_attention_first is {self.cross_attention_first} and the language model has {layers} blocks, so "
                f"no cross-attention would be inserted; choose 0 to {layers - 1}"
            )

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PreTrainedConfig:
        """The language model's configuration with the number of logits as `vocab_size`, which transformers' beam
        search and scores rely on."""
        wide = copy(self.text_config)
        wide.vocab_size = max(wide.vocab_size, self.image_token_id + 1, self.end_of_chunk_token_id + 1)
        return wide

    def own_fields(self) -> dict[str, Any]:
        """The fields that don't belong to the backbones."""
        others = (*self.sub_configs, "sub_configs", "model_type")
        return {name: getattr(self, name) for name in FlamingoConfig.__annotations__ if name not in others}

    @property
    def resampled_width(self) -> int:
        """Width of the resampler's visual tokens."""
        return self.resampler_width or self.vision_width

    @property
    def visual_token_width(self) -> int:
        """Width of the visual tokens that the cross-attention reads."""
        return self.latent_width or self.resampled_width

    @property
    def cross_attention_layers(self) -> tuple[int, ...]:
        """Indices of the language model's blocks that have cross-attention before them."""
        layers = self.text_config.num_hidden_layers
        return tuple(range(self.cross_attention_first, layers, self.cross_attention_interval))


def _sub_config(given: Any, default: str) -> PreTrainedConfig:
    if isinstance(given, PreTrainedConfig):
        return given
    values = dict(given or {})
    return AutoConfig.for_model(values.pop("model_type", default), **values)
