"""Distribution of one model over many processes, in this order: checkpoint activations, compile, shard.

FSDP2 groups (parameters that are gathered together): each block of the language model and its cross-attention block
separately, so that frozen weights are gathered as they are stored (bf16) and only trained ones have gradients to
reduce; each block of the vision encoder; the resampler; the rest (embeddings, head, new tokens) with the root. Tied
embeddings are one parameter of two modules, and torch allows no parameter in two groups: the root holds both.
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
    """The model as it is called; changed in place. Its parameters may still be on the meta device.

    Raises ValueError if this model or this number of processes does not support what the recipe asks for.
    """
    if recipe.activation_checkpointing:
        checkpoint_blocks(model)  # innermost: visible to the compiler, and FSDP's gathers stay outside
    if recipe.compile:
        compile_blocks(model)  # per block: one compilation serves all, as they are alike, and hooks break no graph
    if ranks.count == 1:
        return model
    if recipe.strategy == "ddp":
        # Gradients are views of the buckets that are sent, not copies.
        return DistributedDataParallel(model.to(ranks.device), gradient_as_bucket_view=True)
    shard(model, make_mesh(recipe, ranks), bf16=bf16)  # last: a group is what one call of a module needs
    model.blank_size = image_size  # all processes must gather the vision encoder, or one waits for ever
    return model


def inner(model: nn.Module) -> Flamingo:
    """The Flamingo inside its DDP wrapper, if it has one."""
    flamingo: Any = model.module if isinstance(model, DistributedDataParallel) else model
    return flamingo  # type: ignore[no-any-return]


def is_sharded(model: nn.Module) -> bool:
    """Whether its parameters are sharded over processes."""
    return isinstance(model, FSDPModule)


def language_parts(model: Flamingo) -> Iterator[nn.Module]:
    """The blocks of the language model and the cross-attention blocks before them, separately."""
    for block in decoder_blocks(model.language_model):
        if isinstance(block, CrossAttendingBlock):
            yield block.cross_attention
            yield block.block
        else:
            yield block


def checkpoint_blocks(model: Flamingo) -> None:
    """Activation checkpointing: each part saves its inputs only and runs again in the backward pass."""
    family = model.language_model.config.model_type
    if family in BLOCKS_GET_NO_KEYWORDS:
        raise ValueError(
            f"blocks of {family} get the images through their cache, which is gone when they run again in the "
            "backward pass; set parallel.activation_checkpointing to false, or take another language model"
        )
    for part in language_parts(model):
        part.forward = _checkpointed(part.forward)  # an attribute of the instance: names of parameters stay the same


def _checkpointed(forward: Any) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(partial(forward, **kwargs), *args, use_reentrant=False)

    return run


def compile_blocks(model: Flamingo) -> None:
    """Compiles each part's forward; hooks stay outside."""
    for part in language_parts(model):
        part.forward = torch.compile(part.forward)
    for layer in model.resampler.layers:
        layer.forward = torch.compile(layer.forward)


def make_mesh(recipe: ParallelRecipe, ranks: Ranks) -> DeviceMesh:
    """A mesh of all ranks or, for `hybrid`, of copies x shards."""
    if recipe.strategy == "fsdp":
        return init_device_mesh(ranks.device.type, (ranks.count,), mesh_dim_names=("shard",))
    size = shard_size(recipe, ranks.count)
    return init_device_mesh(ranks.device.type, (ranks.count // size, size), mesh_dim_names=("replicate", "shard"))


def shard_size(recipe: ParallelRecipe, processes: int) -> int:
    """The number of processes that share one copy of the weights. Raises ValueError if it divides no copies evenly."""
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
    # Master weights and sums of gradients stay float32; autocast, not FSDP, decides in which type an operation runs.
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for part in (*language_parts(model), *_vision_blocks(model), model.vision_encoder, model.resampler, model):
        fully_shard(part, mesh=mesh, mp_policy=policy)


def _vision_blocks(model: Flamingo) -> Iterator[nn.Module]:
    """The vision encoder's blocks, if it has a list of them."""
    try:
        yield from decoder_blocks(model.vision_encoder)
    except ValueError:
        return


def _refuse_trained_batch_norms(model: Flamingo) -> None:
    norms = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.vision_encoder.modules())
    if norms and not model.config.freeze_vision_encoder:
        raise ValueError(
            "the vision encoder has batch norms and is trained, and each process would keep its own averages; "
            "set parallel.strategy to ddp, or freeze the encoder"
        )
