"""Fine-tuning on a task's training set before its evaluation (Flamingo, arXiv 2204.14198, section 3.2, appendix B.2.2).

As in the paper: a low learning rate, the vision encoder trained with the rest, the language model frozen; each
example is
one picture or video and its answer, and the loss is on the answer alone. Deviations: the resolution stays that of the
checkpoint; of several answers to a question one is drawn evenly each time.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.inputs import PixelCache, Row, batch_rows, format_answer, write_prompt
from m3w.trainer.evaluate.loaded_model import LoadedModel, fingerprint, load_model
from m3w.trainer.evaluate.media import UnreadableMediaError
from m3w.trainer.evaluate.recipe import EvaluationRecipe, FinetuneRecipe
from m3w.trainer.evaluate.task import Task
from m3w.trainer.evaluate.tasks.source import Example
from m3w.trainer.export import export_model
from m3w.trainer.ranks import Ranks

log = logging.getLogger(__name__)
IGNORED = -100


def finetune(checkpoint: Path, recipe: EvaluationRecipe, ranks: Ranks) -> Path:
    """The folder of `checkpoint` fine-tuned by the recipe, OUTPUT/finetuned; trained on the first call only.

    Raises InputError if the folder holds a model that was fine-tuned from or by something else.
    """
    assert recipe.finetune is not None
    folder = Path(recipe.output) / "finetuned"
    made_of = f"{fingerprint(checkpoint)} {recipe.finetune.model_dump_json()} {recipe.seeds[0]}"
    note = folder / "made_of.txt"
    if folder.is_dir():
        if note.read_text(encoding="utf-8") != made_of:
            raise InputError(f"{folder} was fine-tuned from or by something else; set another `output`, or remove it")
        return folder
    task = recipe.resolved_task()
    loaded = load_model(checkpoint, ranks.device)
    train(loaded, task, task.examples("supports", recipe.root), recipe, ranks)
    partial = folder.with_name(".whole-finetuned")
    folder.parent.mkdir(parents=True, exist_ok=True)
    export_model(loaded.model, loaded.processor, partial, ranks)
    if ranks.first:
        (partial / "made_of.txt").write_text(made_of, encoding="utf-8")
        partial.rename(folder)
    ranks.wait()
    return folder


def train(
    loaded: LoadedModel, task: Task, examples: Sequence[Example], recipe: EvaluationRecipe, ranks: Ranks
) -> list[float]:
    """Train the model in place. Returns the loss of each step, nats per token of an answer.

    The result does not depend on the number of ranks.
    """
    assert recipe.finetune is not None
    settings, model = recipe.finetune, loaded.model
    model.set_frozen(language_model=not settings.language_model, vision_encoder=not settings.vision_encoder)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=settings.weight_decay)
    cache, losses = PixelCache(loaded.processor, recipe.frames), []
    for step, batch in enumerate(_batches(examples, settings, cache, task, recipe.seeds[0])):
        rows, lengths = _rows(loaded, task, batch[ranks.rank :: ranks.count], cache, recipe)
        optimizer.param_groups[0]["lr"] = settings.learning_rate * _schedule(step, settings)
        total, tokens = _loss(model, rows, lengths, loaded.padding, ranks.device)
        total.backward()  # type: ignore[no-untyped-call]
        loss = _reduce_gradients(trained, float(total.detach()), tokens, ranks)
        nn.utils.clip_grad_norm_(trained, settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss)
        if step % 10 == 0:
            log.info("fine-tuning, step %d of %d: loss %.4g", step, settings.steps, loss)
    model.eval()
    return losses


def _batches(
    examples: Sequence[Example], settings: FinetuneRecipe, cache: PixelCache, task: Task, seed: int
) -> Iterator[list[tuple[Example, str]]]:
    """The examples of each step, with the answer to learn; every epoch has its own order."""
    draw = random.Random(seed)
    order: list[Example] = []
    for _ in range(settings.steps):
        batch: list[tuple[Example, str]] = []
        tried = 0
        while len(batch) < settings.batch_size:
            if not order:
                order = draw.sample(list(examples), len(examples))
            example, tried = order.pop(), tried + 1
            if tried > 10 * settings.batch_size + len(examples):
                raise InputError(f"no picture of {len(examples)} supports can be read; set `root` or `images`")
            if cache.is_readable(example.media):
                batch.append((example, draw.choice(example.references) if task.form == "open" else example.answer))
        yield batch


def _rows(
    loaded: LoadedModel, task: Task, batch: list[tuple[Example, str]], cache: PixelCache, recipe: EvaluationRecipe
) -> tuple[list[Row], list[int]]:
    """Prompt and answer of each example, and the number of tokens of the answer."""
    rows, lengths = [], []
    for example, answer in batch:
        prompt = write_prompt(task, example, [], starts_with_end_of_chunk=recipe.starts_with_end_of_chunk)
        ids = [*loaded.answer_ids(prompt, format_answer(task, answer)), loaded.special.end_of_chunk]
        try:
            row = loaded.row(prompt, cache.pixels)
        except UnreadableMediaError:  # it was readable a moment ago
            continue
        rows.append(Row([*row.ids, *ids], row.pixels))
        lengths.append(len(ids))
    return rows, lengths


def _loss(
    model: nn.Module, rows: list[Row], lengths: list[int], padding: int, device: torch.device
) -> tuple[Tensor, int]:
    """The loss summed over the tokens of the answers, and the number of these. Rows are padded at the left."""
    if not rows:
        zero = sum((parameter.sum() * 0.0 for parameter in model.parameters()), torch.zeros((), device=device))
        return zero, 0
    batch = batch_rows(rows, padding, device)
    labels_BL = torch.full_like(batch.input_ids_BL, IGNORED)
    for row, length in enumerate(lengths):
        labels_BL[row, -length:] = batch.input_ids_BL[row, -length:]
    logits_BLV = model(**batch.arguments()).logits[:, :-1].float()
    loss = F.cross_entropy(logits_BLV.flatten(0, 1), labels_BL[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum")
    return loss, sum(lengths)


def _reduce_gradients(trained: list[nn.Parameter], total: float, tokens: int, ranks: Ranks) -> float:
    """Sum the gradients of all ranks and divide by all their tokens. Returns the mean loss of a token."""
    total_of_all, tokens_of_all = ranks.sum([total, float(tokens)])
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if ranks.count > 1:
            dist.all_reduce(parameter.grad)
        parameter.grad /= tokens_of_all
    return total_of_all / tokens_of_all


def _schedule(step: int, settings: FinetuneRecipe) -> float:
    """The factor of the learning rate: linear warm-up over a tenth of the steps, then linear decay to 0."""
    warmup = max(1, settings.steps // 10)
    return min((step + 1) / warmup, (settings.steps - step) / (settings.steps - warmup + 1))
