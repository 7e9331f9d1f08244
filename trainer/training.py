"""A training from its recipe to the exported model: build, resume, update after update, save.

OUTPUT/recipe.yaml       as resolved
OUTPUT/processor/        tokenizer and image settings, made once and kept for every resume
OUTPUT/checkpoints/      see trainer/checkpoint.py
OUTPUT/metrics.jsonl     see trainer/journal.py
OUTPUT/model/            in the end: what `model.Flamingo.from_pretrained` reads
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import yaml
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainer.build import build_model, make_processor, make_vision_encoder, pretrained_language_model, sample_form
from trainer.checkpoint import Checkpoints
from trainer.data.lanes import LaneDataset, SampleForm
from trainer.data.order import SampleOrder
from trainer.data.pairs import PairReader
from trainer.data.sequences import SequenceReader
from trainer.export import export_model
from trainer.held_out import held_out_loss, rank_batches
from trainer.journal import Journal
from trainer.mixture import Mixture, Share
from trainer.optimizer import learning_rate, make_optimizer, set_learning_rate
from trainer.progress import Progress
from trainer.ranks import Ranks
from trainer.recipe import Recipe
from trainer.sources import make_mixture, open_pairs
from trainer.update import NonFiniteError, UpdateReport, update

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
    step: int
    """Updates done."""


def train(recipe: Recipe, ranks: Ranks) -> bool:
    """Trains to the last step, from the newest checkpoint if there is one; False if asked to stop before.

    Raises ValueError for what the user can put right, NonFiniteError if the loss runs away.
    """
    output = Path(recipe.output)
    training, processor = prepare(recipe, ranks)
    if ranks.first:
        (output / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(), sort_keys=False), encoding="utf-8")
    with _journal(output, training) as journal, _stop_signal() as asked:
        finished = _run(training, journal, asked)
    if finished and ranks.first:
        export_model(_inner(training.model), processor, output / "model")
    ranks.wait()
    return finished


def prepare(recipe: Recipe, ranks: Ranks) -> tuple[Training, Any]:
    """The training where its newest checkpoint left it, and the processor."""
    output = Path(recipe.output)
    output.mkdir(parents=True, exist_ok=True)
    reader = _open_dataset(recipe, ranks)
    pairs = open_pairs(recipe, output / "indexes", ranks)
    processor = make_processor(recipe.model, reader, output / "processor", ranks)
    form = sample_form(processor, recipe.data)
    torch.manual_seed(recipe.seed)
    encoder = make_vision_encoder(
        recipe.model, reader, form, len(processor.tokenizer), output / "vision_encoder", ranks
    )
    torch.manual_seed(recipe.seed)
    language_model = pretrained_language_model(recipe.model, reader, form, processor, output / "language_model", ranks)
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.model, processor, encoder, language_model).to(ranks.device)
    torch.manual_seed(recipe.seed + 1 + ranks.rank)
    optimizer = make_optimizer(model, recipe.optimizer)
    checkpoints = Checkpoints(output, recipe.checkpoints, _identity(recipe, reader, pairs), ranks)
    training = Training(
        recipe=recipe,
        ranks=ranks,
        model=model,
        optimizer=optimizer,
        mixture=make_mixture(recipe, reader, pairs, form, ranks),
        held_out=_held_out(recipe, form),
        checkpoints=checkpoints,
        step=checkpoints.resume(model, optimizer),
    )
    if ranks.count > 1:
        training.model = DistributedDataParallel(model)
    return training, processor


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


def _run(training: Training, journal: Journal | None, asked: threading.Event) -> bool:
    """Updates from `training.step` to the last; False if some rank was asked to stop on the way."""
    recipe, ranks = training.recipe, training.ranks
    progress = Progress()
    steps = training.mixture.steps(training.step, recipe.training.steps, recipe.data.workers)
    training.model.train()
    for shares in progress.waiting(steps):
        rate = learning_rate(training.step, recipe.training.steps, recipe.optimizer)
        set_learning_rate(training.optimizer, rate)
        report = _update(training, shares, asked)
        training.step += 1
        progress.add(report)
        last = training.step == recipe.training.steps
        values: dict[str, float] = {}
        if training.step % recipe.log.every == 0 or last:
            values |= progress.values(training.model, rate, ranks)
        if training.step % recipe.validation.every == 0 or last:
            values |= _validate(training)
            progress.restart()
        if journal is not None and values:
            journal.write(training.step, values)
            log.info("step %d of %d: %s", training.step, recipe.training.steps, _describe(values))
        if last or report.stop or training.step % recipe.checkpoints.every == 0:
            training.checkpoints.save(training.step, training.model, training.optimizer)
            progress.restart()
        if report.stop and not last:
            return False
    return True


def _update(training: Training, shares: list[Share], asked: threading.Event) -> UpdateReport:
    recipe = training.recipe
    try:
        return update(
            training.model,
            training.optimizer,
            shares,
            training.ranks,
            precision=recipe.training.precision,
            clip=recipe.optimizer.clip,
            stop=asked.is_set(),
        )
    except NonFiniteError as error:
        path = Path(recipe.output) / f"non-finite-step-{training.step + 1:08d}-rank-{training.ranks.rank:05d}.json"
        keys = {share.name: [batch.keys for batch in share.batches] for share in shares}
        path.write_text(json.dumps(keys, indent=1), encoding="utf-8")
        raise NonFiniteError(
            f"{error} at step {training.step + 1}; the samples of the batch are in {path}. "
            "Lower optimizer.learning_rate, or look at those samples; the newest checkpoint is from before"
        ) from error


def _validate(training: Training) -> dict[str, float]:
    if training.held_out is None:
        return {}
    recipe = training.recipe
    batches = rank_batches(training.held_out, recipe.validation.batches, training.ranks)
    loss = held_out_loss(_inner(training.model), batches, training.ranks, precision=recipe.training.precision)
    return {"held_out_loss": loss.right, "held_out_loss_shuffled_images": loss.shuffled, "look": loss.look}


def _describe(values: dict[str, float]) -> str:
    shown = ("loss", "held_out_loss", "look", "gradient_norm", "samples_per_second", "loader_wait")
    return ", ".join(f"{name} {values[name]:.4g}" for name in shown if name in values)


@contextmanager
def _journal(output: Path, training: Training) -> Iterator[Journal | None]:
    """The first rank's journal; the others have none."""
    if not training.ranks.first:
        yield None
        return
    with Journal(output, first_step=training.step, tensorboard=training.recipe.log.tensorboard) as journal:
        yield journal


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, as a spot machine sends it before it goes."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked  # Python sets signal handlers in the main thread only
        return
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def _inner(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model
