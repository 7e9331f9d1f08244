"""Fine-tuning on a task's training set before it is asked (Flamingo, arXiv 2204.14198, section 3.2 and appendix B.2.2).

As in the paper: a low learning rate, the vision encoder trained with the rest, the language model frozen; one picture
or video and its answer a sample, the loss on the answer alone. Deviations: the resolution stays that of the checkpoint,
and of the several answers of a question each is drawn evenly.
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

from m3w.trainer.checkpoint.export import export_model
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.evaluate.checkpoint import Asked, fingerprint, open_checkpoint
from m3w.trainer.evaluate.example import EvaluationError, Example
from m3w.trainer.evaluate.media import UnreadableMediaError
from m3w.trainer.evaluate.pictures import Pictures
from m3w.trainer.evaluate.prompt import answer_ids, answered, write_prompt
from m3w.trainer.evaluate.recipe import EvaluationRecipe, FinetuneRecipe
from m3w.trainer.evaluate.rows import Row, batch_of
from m3w.trainer.evaluate.task import Task

log = logging.getLogger(__name__)
IGNORED = -100


def finetuned(checkpoint: Path, recipe: EvaluationRecipe, ranks: Ranks) -> Path:
    """The folder of `checkpoint` fine-tuned as the recipe says: made once, in OUTPUT/finetuned.

    Raises EvaluationError if what is there was made of something else.
    """
    assert recipe.finetune is not None
    folder = Path(recipe.output) / "finetuned"
    made_of = f"{fingerprint(checkpoint)} {recipe.finetune.model_dump_json()} {recipe.seeds[0]}"
    note = folder / "made_of.txt"
    if folder.is_dir():
        if note.read_text(encoding="utf-8") != made_of:
            raise EvaluationError(
                f"{folder} was fine-tuned from or by something else; set another `output`, or remove it"
            )
        return folder
    task = recipe.resolved_task()
    asked = open_checkpoint(checkpoint, ranks.device)
    samples = task.examples("supports", recipe.root)
    train(asked, task, samples, recipe, ranks)
    whole = folder.with_name(".whole-finetuned")
    folder.parent.mkdir(parents=True, exist_ok=True)
    export_model(asked.model, asked.processor, whole, ranks)
    if ranks.first:
        (whole / "made_of.txt").write_text(made_of, encoding="utf-8")
        whole.rename(folder)
    ranks.wait()
    return folder


def train(asked: Asked, task: Task, samples: Sequence[Example], recipe: EvaluationRecipe, ranks: Ranks) -> list[float]:
    """Trains the model in place; the loss of each step, nats a token of answer. One result on any number of ranks."""
    assert recipe.finetune is not None
    how = recipe.finetune
    model = asked.model
    model.set_frozen(language_model=not how.language_model, vision_encoder=not how.vision_encoder)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, how.learning_rate, weight_decay=how.weight_decay)
    pictures, losses = Pictures(asked.processor, recipe.frames), []
    for step, drawn in enumerate(_batches(samples, how, pictures, task, recipe.seeds[0])):
        rows, lengths = _rows(asked, task, drawn[ranks.rank :: ranks.count], pictures, recipe)
        optimizer.param_groups[0]["lr"] = how.learning_rate * _share(step, how)
        total, tokens = _loss(model, rows, lengths, asked.processor.tokenizer.pad_token_id, ranks.device)
        total.backward()  # type: ignore[no-untyped-call]
        loss = _add_up(trained, float(total.detach()), tokens, ranks)
        nn.utils.clip_grad_norm_(trained, how.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss)
        if step % 10 == 0:
            log.info("fine-tuning, step %d of %d: loss %.4g", step, how.steps, loss)
    model.eval()
    return losses


def _batches(
    samples: Sequence[Example], how: FinetuneRecipe, pictures: Pictures, task: Task, seed: int
) -> Iterator[list[tuple[Example, str]]]:
    """For each step so many samples, epoch after epoch in a drawn order, and which answer is learnt of each."""
    draw = random.Random(seed)
    order: list[Example] = []
    for _ in range(how.steps):
        batch: list[tuple[Example, str]] = []
        looked = 0
        while len(batch) < how.batch_size:
            if not order:
                order = draw.sample(list(samples), len(samples))
            sample, looked = order.pop(), looked + 1
            if looked > 10 * how.batch_size + len(samples):
                raise EvaluationError(f"no picture of {len(samples)} supports can be read; set `root` or `images`")
            if pictures.is_readable(sample.media):
                batch.append((sample, draw.choice(sample.references) if task.form == "open" else sample.answer))
        yield batch


def _rows(
    asked: Asked, task: Task, drawn: list[tuple[Example, str]], pictures: Pictures, recipe: EvaluationRecipe
) -> tuple[list[Row], list[int]]:
    """Prompt and answer of each sample, and how many tokens at its end are learnt."""
    rows, lengths = [], []
    for sample, answer in drawn:
        prompt = write_prompt(task, sample, [], starts_with_end_of_chunk=recipe.starts_with_end_of_chunk)
        words = answer_ids(prompt.chunks[-1].text, answered(task, answer), asked.tokenize)
        said = [*words, asked.special.end_of_chunk]
        try:
            pixels = [pictures.pixels(sample.media)]
        except UnreadableMediaError:  # it was readable a moment ago
            continue
        rows.append(Row([*prompt.encode(asked.tokenize, asked.special), *said], pixels))
        lengths.append(len(said))
    return rows, lengths


def _loss(
    model: nn.Module, rows: list[Row], lengths: list[int], padding: int, device: torch.device
) -> tuple[Tensor, int]:
    """The loss summed over the tokens of the answers, and how many they are. Rows are padded at the left."""
    if not rows:
        zero = sum((parameter.sum() * 0.0 for parameter in model.parameters()), torch.zeros((), device=device))
        return zero, 0
    batch = batch_of(rows, padding, device)
    labels_BL = torch.full_like(batch.input_ids_BL, IGNORED)
    for row, length in enumerate(lengths):
        labels_BL[row, -length:] = batch.input_ids_BL[row, -length:]
    logits_BLV = model(**batch.arguments()).logits[:, :-1].float()
    loss = F.cross_entropy(logits_BLV.flatten(0, 1), labels_BL[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum")
    return loss, sum(lengths)


def _add_up(trained: list[nn.Parameter], total: float, tokens: int, ranks: Ranks) -> float:
    """Gradients of all ranks, divided by the tokens of all; the mean loss of a token."""
    total_of_all, tokens_of_all = ranks.sum([total, float(tokens)])
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if ranks.count > 1:
            dist.all_reduce(parameter.grad)
        parameter.grad /= tokens_of_all
    return total_of_all / tokens_of_all


def _share(step: int, how: FinetuneRecipe) -> float:
    """Of the learning rate: up over a tenth of the steps, then down to 0 in a line."""
    warmup = max(1, how.steps // 10)
    return min((step + 1) / warmup, (how.steps - step) / (how.steps - warmup + 1))
