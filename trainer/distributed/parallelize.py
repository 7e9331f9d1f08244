"""One model on many processes, in this order: checkpoint activations, compile, shard.

Groups of FSDP2 (what is gathered together): the block of a language model and its cross-attention block apart, so that
frozen weights are gathered as they are stored (bf16) and only trained ones have gradients to reduce; the vision
encoder by its blocks; the resampler; the rest (embeddings, head, new tokens) with the root. Tied embeddings are one
parameter of two modules, and torch allows no parameter in two groups: the root holds both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from m3w.model import Flamingo
from m3w.model.insertion import BLOCKS_GET_NO_KEYWORDS, CrossAttendingBlock, decoder_blocks
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import ParallelRecipe


def parallelize(model: Flamingo, recipe: ParallelRecipe, ranks: Ranks, *, bf16: bool, image_size: int) -> nn.Module:
    """The model as it is called; it is changed in place. Its parameters may still be on the meta device.

    Raises ValueError if the recipe asks for what this model or this number of processes cannot do.
    """
    if recipe.activation_checkpointing:
        checkpoint_blocks(model)  # innermost: what a block saves, the compiler sees and FSDP's gathers stay outside of
    if recipe.compile:
        compile_blocks(model)  # by block: all are alike, so that one compilation serves all, and hooks break no graph
    if ranks.count == 1:
        return model
    if recipe.strategy == "ddp":
        # Views: gradients lie in the buckets that are sent, not beside them.
        return DistributedDataParallel(model.to(ranks.device), gradient_as_bucket_view=True)
    shard(model, make_mesh(recipe, ranks), bf16=bf16)  # last: a group is what one call of a module needs
    model.blank_size = image_size  # all processes gather the vision encoder, or one waits for ever
    return model


def inner(model: nn.Module) -> Flamingo:
    """The Flamingo itself."""
    found: Any = model.module if isinstance(model, DistributedDataParallel) else model
    return found  # type: ignore[no-any-return]


def is_sharded(model: nn.Module) -> bool:
    """Whether parameters are spread over processes."""
    return isinstance(model, FSDPModule)


def language_parts(model: Flamingo) -> Iterator[nn.Module]:
    """Blocks of the language model and the cross-attention blocks before them, each for itself."""
    for block in decoder_blocks(model.language_model):
        if isinstance(block, CrossAttendingBlock):
            yield block.cross_attention
            yield block.block
        else:
            yield block


def checkpoint_blocks(model: Flamingo) -> None:
    """Each part keeps its inputs alone and runs again in the backward pass."""
    family = model.language_model.config.model_type
    if family in BLOCKS_GET_NO_KEYWORDS:
        raise ValueError(
            f"blocks of {family} get what to attend to by their cache, which is gone when they run again in the "
            "backward pass; set parallel.activation_checkpointing to false, or take another language model"
        )
    for part in language_parts(model):
        part.forward = _checkpointed(part.forward)  # the instance's own: names of parameters stay as they are


def _checkpointed(forward: Any) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(partial(forward, **kwargs), *args, use_reentrant=False)

    return run


def compile_blocks(model: Flamingo) -> None:
    """torch.compile of each part's forward; hooks stay outside."""
    for part in language_parts(model):
        part.forward = torch.compile(part.forward)
    for layer in model.resampler.layers:
        layer.forward = torch.compile(layer.forward)


def make_mesh(recipe: ParallelRecipe, ranks: Ranks) -> DeviceMesh:
    """All ranks in a row, or copies x shards."""
    if recipe.strategy == "fsdp":
        return init_device_mesh(ranks.device.type, (ranks.count,), mesh_dim_names=("shard",))
    size = shard_size(recipe, ranks.count)
    return init_device_mesh(ranks.device.type, (ranks.count // size, size), mesh_dim_names=("replicate", "shard"))


def shard_size(recipe: ParallelRecipe, processes: int) -> int:
    """Processes that share one copy of the weights; ValueError if copies would not be whole."""
    if recipe.strategy == "ddp":
        return 1
    if recipe.strategy == "fsdp":
        return processes
    size = recipe.shard_size or int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    if processes % size:
        raise ValueError(
            f"{processes} processes make no whole number of copies of {size} shards; "
            f"set parallel.shard_size to a number that divides {processes}, or start another number of processes"
        )
    return size


def shard(model: Flamingo, mesh: DeviceMesh, *, bf16: bool) -> None:
    """FSDP2 over `mesh`, innermost groups first."""
    _refuse_trained_batch_norms(model)
    half = torch.bfloat16 if bf16 else None
    # Masters stay float32 and so do the sums of gradients; autocast, not FSDP, says in what type an operation runs.
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for part in (*language_parts(model), *_vision_blocks(model), model.vision_encoder, model.resampler, model):
        fully_shard(part, mesh=mesh, mp_policy=policy)


def _vision_blocks(model: Flamingo) -> Iterator[nn.Module]:
    """The vision encoder's blocks, where it has a list of them."""
    try:
        yield from decoder_blocks(model.vision_encoder)
    except ValueError:
        return


def _refuse_trained_batch_norms(model: Flamingo) -> None:
    norms = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.vision_encoder.modules())
    if norms and not model.config.freeze_vision_encoder:
        raise ValueError(
            "the vision encoder has batch norms and is trained, and each process would keep averages of its own; "
            "set parallel.strategy to ddp, or freeze the encoder"
        )
