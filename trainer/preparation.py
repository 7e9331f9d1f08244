"""Preparation of a training: open datasets, build the model, distribute it, load the newest checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from m3w.model import Flamingo
from m3w.trainer.checkpoint.checkpoints import Checkpoints
from m3w.trainer.checkpoint.output import Output
from m3w.trainer.cost.flops import Costs, count_costs
from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat, rank_batch_slots
from m3w.trainer.data.mixture import Mixture
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.packing import check_packable
from m3w.trainer.data.sequences import DatasetReader, SampleReader
from m3w.trainer.data.sources import FurtherDataset, check_size, make_mixture, open_dataset, open_further
from m3w.trainer.distributed.parallelize import inner, parallelize
from m3w.trainer.distributed.precision import in_bf16, set_types
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import PairsRecipe, Recipe, WindowsRecipe
from m3w.trainer.setup.build import (
    build_model,
    make_processor,
    make_sample_format,
    make_vision_encoder,
    open_gates,
    pretrained_language_model,
)
from m3w.trainer.setup.sharded_loading import fill, meta_language_model
from m3w.trainer.update import make_optimizer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Training:
    """The state of a training in one process."""

    recipe: Recipe
    ranks: Ranks
    model: nn.Module
    """The model as it is called: wrapped, if there is more than one rank."""
    optimizer: torch.optim.Optimizer
    mixture: Mixture
    held_out: BatchSlotDataset | None
    checkpoints: Checkpoints
    output: Output
    costs: Costs | None
    """FLOPs, from the model's shapes; None if they cannot be counted."""
    step: int
    """Updates done."""


def prepare(recipe: Recipe, ranks: Ranks) -> tuple[Training, Any]:
    """The training, resumed from its newest checkpoint if there is one, and its processor."""
    for batch_size in (recipe.training.batch_size, *(further.batch_size for further in recipe.further.values())):
        rank_batch_slots(batch_size, ranks.rank, ranks.count)  # raises before anything is read
    output = Output(recipe.output, ranks)
    indexes = output.folder / "indexes"
    reader = open_dataset(recipe.data, "train", indexes, ranks, recipe.data.cache)
    check_size("training", reader, recipe.training.batch_size)
    if ranks.first:
        reader.check_shards(contents=recipe.data.check == "contents")
    further = open_further(recipe, indexes, ranks)
    processor = make_processor(recipe.model, reader, output)
    sample_format = make_sample_format(processor, recipe.data)
    model = _make_model(recipe, reader, sample_format, processor, output)
    torch.manual_seed(recipe.seed + 1 + ranks.rank)
    optimizer = make_optimizer(inner(model), recipe.optimizer)
    checkpoints = Checkpoints(output.checkpoints, recipe.checkpoints, _identity(recipe, reader, further), ranks)
    training = Training(
        recipe=recipe,
        ranks=ranks,
        model=model,
        optimizer=optimizer,
        mixture=make_mixture(recipe, reader, further, sample_format, ranks),
        held_out=_held_out(recipe, sample_format, indexes, ranks),
        checkpoints=checkpoints,
        output=output,
        costs=_costs(inner(model), processor.image_size),
        step=checkpoints.resume(inner(model), optimizer),
    )
    return training, processor


def _costs(model: Flamingo, image_size: int) -> Costs | None:
    try:
        return count_costs(model, image_size)
    except (RuntimeError, NotImplementedError) as error:  # an encoder that does not run on the meta device
        log.warning("no FLOPs and no MFU: %s", " ".join(str(error).split()))
        return None


def _make_model(
    recipe: Recipe, reader: DatasetReader, sample_format: SampleFormat, processor: Any, output: Output
) -> nn.Module:
    """The model of the recipe with its initial weights, distributed over the processes."""
    ranks, name = output.ranks, recipe.model.language_model.pretrained
    torch.manual_seed(recipe.seed)
    encoder = make_vision_encoder(recipe.model, reader, sample_format, len(processor.tokenizer), output)
    torch.manual_seed(recipe.seed)
    language_model = pretrained_language_model(recipe.model, reader, sample_format, processor, output)
    on_meta = name is not None and ranks.count > 1 and recipe.parallel.strategy != "ddp"
    if on_meta:
        assert name is not None
        language_model = meta_language_model(name)
    torch.manual_seed(recipe.seed)
    bf16 = in_bf16(ranks.device, recipe.training.precision)
    flamingo = build_model(recipe.model, processor, encoder, language_model)
    if any(own.packing is not None for own in _datasets(recipe).values()):
        check_packable(flamingo)
    model = set_types(flamingo, bf16=bf16)
    if ranks.count == 1:
        model.to(ranks.device)
    distributed = parallelize(model, recipe.parallel, ranks, bf16=bf16, image_size=processor.image_size)
    if on_meta:
        assert name is not None
        torch.manual_seed(recipe.seed)
        fill(model, name, ranks)
        open_gates(model, recipe.model.open_gates)
    return distributed


def _identity(recipe: Recipe, reader: SampleReader, further: Sequence[FurtherDataset]) -> dict[str, Any]:
    """What a training must have in common with a checkpoint to resume from it: all that its past depends on."""
    others = {opened.key: [opened.reader.fingerprint, opened.recipe.batch_size] for opened in further}
    packing = {key: own.packing.model_dump() for key, own in _datasets(recipe).items() if own.packing is not None}
    return {
        **({"further": others} if others else {}),
        **({"packing": packing} if packing else {}),
        "dataset": reader.fingerprint,
        "seed": recipe.seed,
        "batch_size": recipe.training.batch_size,
        "tokens": recipe.data.tokens,
        "model": recipe.model.model_dump(),
    }


def _datasets(recipe: Recipe) -> dict[str, WindowsRecipe | PairsRecipe]:
    return {"data": recipe.data, **recipe.further}


def _held_out(recipe: Recipe, sample_format: SampleFormat, indexes: Path, ranks: Ranks) -> BatchSlotDataset | None:
    """The validation split, without augmentation; None, with a warning, if there is none."""
    try:
        reader = open_dataset(recipe.data, "validation", indexes, ranks, recipe.data.cache)
    except ValueError as error:
        log.warning("no held-out loss: %s", error)
        return None
    size = recipe.validation.batch_size
    return BatchSlotDataset(
        reader,
        SampleOrder(reader.shard_sizes, recipe.seed, recipe.data.shards_per_block),
        replace(sample_format, flip=False, colour=False),
        batch_size=size,
        batch_slots=range(size),
        micro_batch_size=size,
    )
