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
from types import FrameType

from m3w.recipes.loader import dump_yaml
from m3w.trainer.export import export_model
from m3w.trainer.flops import device_peak
from m3w.trainer.held_out import held_out_loss, rank_batches
from m3w.trainer.journal import Journal, open_journal
from m3w.trainer.mixture import Share
from m3w.trainer.optimizer import learning_rate, set_learning_rate
from m3w.trainer.parallelize import inner
from m3w.trainer.preparation import Training, prepare
from m3w.trainer.progress import Progress
from m3w.trainer.ranks import Ranks
from m3w.trainer.recipe import Recipe
from m3w.trainer.update import NonFiniteError, UpdateReport, update

log = logging.getLogger(__name__)


def train(recipe: Recipe, ranks: Ranks, asked: threading.Event | None = None) -> bool:
    """Trains to the last step, from the newest checkpoint if there is one; False if asked to stop before.

    SIGTERM asks; so does `asked` where it is given.

    Raises ValueError for what the user can put right, NonFiniteError if the loss runs away.
    """
    training, processor = prepare(recipe, ranks)
    output = training.output
    if ranks.first:
        resolved = dump_yaml(recipe.model_dump())
        (output.folder / "recipe.yaml").write_text(resolved, encoding="utf-8")
    with _journal(training) as journal, _stop_signal(asked or threading.Event()) as asked:
        finished = _run(training, journal, asked)
    if finished:
        export_model(inner(training.model), processor, output.folder / "model", ranks)
    if ranks.first:
        output.carry("recipe.yaml", "metrics.jsonl", "tensorboard", "model")
    ranks.wait()
    return finished


def _run(training: Training, journal: Journal | None, asked: threading.Event) -> bool:
    """Updates from `training.step` to the last; False if some rank was asked to stop on the way."""
    recipe, ranks = training.recipe, training.ranks
    progress = Progress(training.costs, device_peak(ranks.device))
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
                training.output.carry("metrics.jsonl", "tensorboard")
            progress.restart()
        training.checkpoints.check()
        if report.stop and not last:
            break
    training.checkpoints.finish()
    return training.step >= recipe.training.steps


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
    """Keys of this rank's samples by source and micro-batch, if it is one of those in question."""
    if training.ranks.rank in names:
        path = training.output.folder / names[training.ranks.rank]
        keys = {share.name: [batch.keys for batch in share.batches] for share in shares}
        path.write_text(json.dumps(keys, indent=1), encoding="utf-8")
        training.output.carry(path.name)
    training.ranks.wait()  # the first to raise ends the others (trainer/alarm.py), written or not


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
    """The first rank's journal; the others have none."""
    if not training.ranks.first:
        yield None
        return
    with open_journal(training.output.folder, training.recipe, first_step=training.step) as journal:
        yield journal


@contextmanager
def _stop_signal(asked: threading.Event) -> Iterator[threading.Event]:
    """`asked`, which SIGTERM sets, as a spot machine sends it before it goes."""

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
