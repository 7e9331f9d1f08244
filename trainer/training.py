"""A training from its recipe to the exported model: prepare, resume, update, validate, save.

OUTPUT/recipe.yaml       as resolved
OUTPUT/processor/        tokenizer and image settings, made once and kept for resumes
OUTPUT/checkpoints/      see trainer/checkpoint/checkpoints.py
OUTPUT/metrics.jsonl     see trainer/metrics/journal.py
OUTPUT/model/            at the end: the model for `m3w.Flamingo.from_pretrained`
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from m3w.recipes.loader import dump_yaml
from m3w.trainer.checkpoint.export import export_model
from m3w.trainer.cost.flops import device_peak
from m3w.trainer.data.mixture import Share
from m3w.trainer.distributed.parallelize import inner
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.metrics.journal import Journal, open_journal
from m3w.trainer.metrics.loss import held_out_loss, rank_batches
from m3w.trainer.metrics.progress import Progress, UpdateReport
from m3w.trainer.preparation import Training, prepare
from m3w.trainer.recipe import Recipe
from m3w.trainer.update import NonFiniteError, learning_rate, set_learning_rate, update

log = logging.getLogger(__name__)


def train(recipe: Recipe, ranks: Ranks, stop_requested: threading.Event | None = None) -> bool:
    """Trains to the last step, from the newest checkpoint if there is one; returns False if stopped before.

    SIGTERM stops the training after the update in progress; so does `stop_requested`, if given, once it is set. Raises
    ValueError for what the user can correct, NonFiniteError if the loss diverges.
    """
    training, processor = prepare(recipe, ranks)
    output = training.output
    if ranks.first:
        resolved = dump_yaml(recipe.model_dump())
        (output.folder / "recipe.yaml").write_text(resolved, encoding="utf-8")
    with _journal(training) as journal, _stop_signal(stop_requested or threading.Event()) as stop_requested:
        finished = _run(training, journal, stop_requested)
    if finished:
        export_model(inner(training.model), processor, output.folder / "model", ranks)
    if ranks.first:
        output.upload("recipe.yaml", "metrics.jsonl", "tensorboard", "model")
    ranks.wait()
    return finished


def _run(training: Training, journal: Journal | None, stop_requested: threading.Event) -> bool:
    """Runs the updates from `training.step` to the last; False if some rank was asked to stop before."""
    recipe, ranks = training.recipe, training.ranks
    progress = Progress(training.costs, device_peak(ranks.device))
    steps = training.mixture.steps(training.step, recipe.training.steps, recipe.data.workers)
    training.model.train()
    for shares in progress.waiting(steps):
        rate = learning_rate(training.step, recipe.training.steps, recipe.optimizer)
        set_learning_rate(training.optimizer, rate)
        report = _update(training, shares, stop_requested)
        training.step += 1
        progress.add(report)
        last = training.step == recipe.training.steps
        values: dict[str, float] = {}
        if training.step % recipe.log.every == 0 or last:
            values |= progress.values(inner(training.model), rate, ranks)
        if training.step % recipe.validation.every == 0 or last:
            values |= _validate(training)
            progress.restart()
        if journal is not None and values:
            journal.write(training.step, values)
            log.info("step %d of %d: %s", training.step, recipe.training.steps, _describe(values))
        if last or report.stop or training.step % recipe.checkpoints.every == 0:
            training.checkpoints.save(training.step, inner(training.model), training.optimizer)
            if journal is not None:
                training.output.upload("metrics.jsonl", "tensorboard")
            progress.restart()
        training.checkpoints.check()
        if report.stop and not last:
            break
    training.checkpoints.finish()
    return training.step >= recipe.training.steps


def _update(training: Training, shares: list[Share], stop_requested: threading.Event) -> UpdateReport:
    recipe = training.recipe
    try:
        return update(
            training.model,
            training.optimizer,
            shares,
            training.ranks,
            precision=recipe.training.precision,
            clip=recipe.optimizer.clip,
            stop=stop_requested.is_set(),
            reduce_every_micro_batch=recipe.parallel.reduce_every_micro_batch,
        )
    except NonFiniteError as error:
        names = {rank: f"non-finite-step-{training.step + 1:08d}-rank-{rank:05d}.json" for rank in error.ranks}
        _dump(training, shares, names)
        raise NonFiniteError(
            f"{error} at step {training.step + 1}; the samples of its batch are in "
            f"{', '.join(f'{training.output.path}/{name}' for name in list(names.values())[:4])}. "
            "Lower optimizer.learning_rate, or look at those samples; the newest checkpoint is from before",
            error.ranks,
        ) from error


def _dump(training: Training, shares: list[Share], names: dict[int, str]) -> None:
    """Writes the keys of this rank's samples by source and micro-batch, if `names` has this rank."""
    if training.ranks.rank in names:
        path = training.output.folder / names[training.ranks.rank]
        keys = {share.name: [batch.keys for batch in share.batches] for share in shares}
        path.write_text(json.dumps(keys, indent=1), encoding="utf-8")
        training.output.upload(path.name)
    training.ranks.wait()  # all have written: the first rank to raise ends the others (trainer/distributed/alarm.py)


def _validate(training: Training) -> dict[str, float]:
    if training.held_out is None:
        return {}
    recipe = training.recipe
    batches = rank_batches(training.held_out, recipe.validation.batches, training.ranks)
    loss = held_out_loss(inner(training.model), batches, training.ranks, precision=recipe.training.precision)
    return {"held_out_loss": loss.right, "held_out_loss_shuffled_images": loss.shuffled, "look": loss.look}


def _describe(values: dict[str, float]) -> str:
    shown = ("loss", "held_out_loss", "look", "gradient_norm", "samples_per_second", "mfu", "loader_wait")
    return ", ".join(f"{name} {values[name]:.4g}" for name in shown if name in values)


@contextmanager
def _journal(training: Training) -> Iterator[Journal | None]:
    """The journal on the first rank; None on the others."""
    if not training.ranks.first:
        yield None
        return
    with open_journal(training.output.folder, training.recipe, first_step=training.step) as journal:
        yield journal


@contextmanager
def _stop_signal(stop_requested: threading.Event) -> Iterator[threading.Event]:
    """`stop_requested`, which SIGTERM sets: schedulers and spot machines send it before they end a process."""

    def ask(number: int, frame: FrameType | None) -> None:
        stop_requested.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop_requested  # Python sets signal handlers in the main thread only
        return
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield stop_requested
    finally:
        signal.signal(signal.SIGTERM, before)
