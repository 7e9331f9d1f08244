"""A training made ready: its datasets opened, its model built and spread over the processes, its checkpoint loaded."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainer.build import (
    build_model,
    make_processor,
    make_vision_encoder,
    open_gates,
    pretrained_language_model,
    sample_form,
)
from trainer.checkpoint import Checkpoints
from trainer.data.lanes import LaneDataset, SampleForm, rank_lanes
from trainer.data.order import SampleOrder
from trainer.data.pairs import PairReader
from trainer.data.sequences import SequenceReader
from trainer.loss import in_bf16
from trainer.mixture import Mixture
from trainer.optimizer import make_optimizer
from trainer.output import Output
from trainer.parallelize import inner, parallelize, set_types
from trainer.ranks import Ranks
from trainer.recipe import Recipe
from trainer.sharded_loading import fill, meta_language_model
from trainer.sources import make_mixture, open_pairs

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Training:
    """Everything that one process needs to go on from `step`."""

    recipe: Recipe
    ranks: Ranks
    model: nn.Module
    """As it is called: wrapped for more than one rank."""
    optimizer: torch.optim.Optimizer
    mixture: Mixture
    held_out: LaneDataset | None
    checkpoints: Checkpoints
    output: Output
    step: int
    """Updates done."""


def prepare(recipe: Recipe, ranks: Ranks) -> tuple[Training, Any]:
    """The training where its newest checkpoint left it, and the processor."""
    for batch_size in (recipe.training.batch_size, *(pairs.batch_size for pairs in recipe.pairs.values())):
        rank_lanes(batch_size, ranks.rank, ranks.count)  # before anything is read
    output = Output(recipe.output, ranks)
    reader = _open_dataset(recipe, ranks)
    pairs = open_pairs(recipe, output.folder / "indexes", ranks)
    processor = make_processor(recipe.model, reader, output)
    form = sample_form(processor, recipe.data)
    model = _make_model(recipe, reader, form, processor, output)
    torch.manual_seed(recipe.seed + 1 + ranks.rank)
    optimizer = make_optimizer(inner(model), recipe.optimizer)
    checkpoints = Checkpoints(output.checkpoints, recipe.checkpoints, _identity(recipe, reader, pairs), ranks)
    training = Training(
        recipe=recipe,
        ranks=ranks,
        model=model,
        optimizer=optimizer,
        mixture=make_mixture(recipe, reader, pairs, form, ranks),
        held_out=_held_out(recipe, form),
        checkpoints=checkpoints,
        output=output,
        step=checkpoints.resume(inner(model), optimizer),
    )
    return training, processor


def _make_model(recipe: Recipe, reader: SequenceReader, form: SampleForm, processor: Any, output: Output) -> nn.Module:
    """The model of the recipe with its first values, spread over the processes."""
    ranks, name = output.ranks, recipe.model.language_model.pretrained
    torch.manual_seed(recipe.seed)
    encoder = make_vision_encoder(recipe.model, reader, form, len(processor.tokenizer), output)
    torch.manual_seed(recipe.seed)
    language_model = pretrained_language_model(recipe.model, reader, form, processor, output)
    on_meta = name is not None and ranks.count > 1 and recipe.parallel.strategy != "ddp"
    if on_meta:
        assert name is not None
        language_model = meta_language_model(name)
    torch.manual_seed(recipe.seed)
    bf16 = in_bf16(ranks.device, recipe.training.precision)
    model = set_types(build_model(recipe.model, processor, encoder, language_model), bf16=bf16)
    if ranks.count == 1:
        model.to(ranks.device)
    spread = parallelize(model, recipe.parallel, ranks, bf16=bf16, image_size=processor.image_size)
    if on_meta:
        assert name is not None
        torch.manual_seed(recipe.seed)
        fill(model, name, ranks)
        open_gates(model, recipe.model.open_gates)
    return spread


def _open_dataset(recipe: Recipe, ranks: Ranks) -> SequenceReader:
    reader = SequenceReader(recipe.data.dataset, "train")
    samples, batch_size = sum(reader.shard_sizes), recipe.training.batch_size
    if samples < batch_size:
        raise ValueError(
            f"{recipe.data.dataset} has {samples} training samples, fewer than a batch of {batch_size}, so a batch "
            f"would hold a sample twice; set training.batch_size to {samples} or less, or build a larger dataset"
        )
    if ranks.first:
        reader.check_shards(contents=recipe.data.check == "contents")
    return reader


def _identity(recipe: Recipe, reader: SequenceReader, pairs: dict[str, PairReader]) -> dict[str, Any]:
    """What a checkpoint must agree in with the training that goes on from it: all that its past depends on."""
    further = {name: [found.fingerprint, recipe.pairs[name].batch_size] for name, found in pairs.items()}
    return {
        **({"pairs": further} if further else {}),
        "dataset": reader.fingerprint,
        "seed": recipe.seed,
        "batch_size": recipe.training.batch_size,
        "tokens": recipe.data.tokens,
        "model": recipe.model.model_dump(),
    }


def _held_out(recipe: Recipe, form: SampleForm) -> LaneDataset | None:
    try:
        reader = SequenceReader(recipe.data.dataset, "validation")
    except ValueError as error:
        log.warning("no held-out loss: %s", error)
        return None
    size = recipe.validation.batch_size
    form = replace(form, flip=False, colour=False)
    order = SampleOrder(reader.shard_sizes, recipe.seed, recipe.data.shards_per_block)
    return LaneDataset(reader, order, form, batch_size=size, lanes=range(size), micro_batch_size=size)
