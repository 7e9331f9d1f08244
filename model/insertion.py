"""Insertion of cross-attention into any decoder, by wrapping its blocks; its code is not changed.

The vision context is passed with the call as the keyword argument `cross_attention`, which decoders of transformers 5
pass on to their blocks. mpt and bloom pass on only the cache, which then holds it.

Shapes: B rows, L tokens, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from m3w.model.cache import FlamingoCache
from m3w.model.cross_attention import GatedCrossAttention, VisionContext

BLOCKS_GET_NO_KEYWORDS = frozenset({"mpt", "bloom"})
"""Families whose blocks get the cache but not the keyword arguments of the model's call."""


class CrossAttendingBlock(nn.Module):
    """A block of the language model with gated cross-attention before it.

    Called like the block that it wraps. Without a vision context (the language model used alone) it is that block.
    """

    def __init__(self, block: nn.Module, cross_attention: GatedCrossAttention) -> None:
        super().__init__()
        self.block = block
        self.cross_attention = cross_attention

    def forward(
        self, hidden_states: Tensor, *args: Any, cross_attention: VisionContext | None = None, **kwargs: Any
    ) -> Any:
        """The output of the wrapped block for x_BLW after cross-attention."""
        vision_context = cross_attention or _context_in_cache(args, kwargs)
        if vision_context is not None:
            hidden_states = self.cross_attention(hidden_states, *vision_context)
        return self.block(hidden_states, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Attributes that decoders read from their blocks (`attention_type`, ...) are those of the wrapped block."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("block"), name)


def _context_in_cache(args: tuple[Any, ...], kwargs: dict[str, Any]) -> VisionContext | None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, FlamingoCache):
            vision_context: VisionContext | None = value.vision_context
            return vision_context
    return None


@contextmanager
def reaching_every_block(language_model: PreTrainedModel) -> Iterator[None]:
    """Raises ValueError after a call of the language model in which a cross-attention block did not run."""
    blocks = [part for part in language_model.modules() if isinstance(part, GatedCrossAttention)]
    reached: set[int] = set()
    handles = [block.register_forward_hook(lambda block, *_: reached.add(block.number)) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if len(reached) < len(blocks):
        raise ValueError(
            f"{type(language_model).__name__} passes its blocks neither the keyword arguments of its call nor its "
            f"cache, so {len(blocks) - len(reached)} of {len(blocks)} cross-attention blocks were not reached and it "
            "would be blind to images; use a decoder whose blocks get them, such as llama, opt or gpt_neox"
        )


def decoder_blocks(language_model: PreTrainedModel) -> nn.ModuleList:
    """The list of a language model's blocks, in which they can be wrapped in place.

    Raises ValueError if there is no such list, or more than one.
    """
    layers = getattr(language_model.config.get_text_config(), "num_hidden_layers", None)
    lists = {name: part for name, part in language_model.named_modules() if isinstance(part, nn.ModuleList)}
    names = [name for name, part in lists.items() if len(part) == layers]
    if len(names) != 1:
        sizes = ", ".join(f"{name} of {len(part)}" for name, part in lists.items()) or "none"
        raise ValueError(
            f"{type(language_model).__name__} has {len(names)} lists of its num_hidden_layers = {layers} blocks "
            f"(lists: {sizes}), so it is unknown where to insert cross-attention; "
            "use a decoder such as llama, opt or gpt_neox"
        )
    return lists[names[0]]


def insert(language_model: PreTrainedModel, blocks: dict[int, GatedCrossAttention]) -> None:
    """Wrap the language model's block i with `blocks[i]`, in place."""
    layers = decoder_blocks(language_model)
    for index, cross_attention in blocks.items():
        if isinstance(layers[index], CrossAttendingBlock):
            raise ValueError(
                f"block {index} of the {type(language_model).__name__} has cross-attention already, and a second "
                "one would see the same images; give a language model that is in no other Flamingo"
            )
        layers[index] = CrossAttendingBlock(layers[index], cross_attention)
