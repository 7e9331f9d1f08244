"""Pretraining of a language model from scratch on the dataset's texts, before a Flamingo is built on it and freezes it.

The paper's language model was trained on text alone first (arXiv 2204.14198, section 2.2). Here it reads the dataset's
texts without their images, documents concatenated, in rows of equal length: AdamW, a learning rate that warms up over a
tenth of the steps and then decays to 0.

All tokens are held in memory, so this is for small datasets; for a larger one, start from a pretrained model.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from m3w.trainer.data.batch_slots import SampleFormat
from m3w.trainer.data.sequences import SampleReader, UnreadableSampleError, addresses
from m3w.trainer.data.windows import BETWEEN_TEXTS
from m3w.trainer.recipe import LanguagePretrainingRecipe

TOKENS_IN_MEMORY = 2**27
"""Limit on the tokens held in memory; later documents are not read."""

REPORT_EVERY = 50
"""Steps between reported losses."""


def pretrain_language_model(
    model: PreTrainedModel, rows: Tensor, recipe: LanguagePretrainingRecipe
) -> Iterator[tuple[int, float]]:
    """Trains `model` in place on rows_PL of token ids; yields step and mean loss (nats per token)."""
    draw = torch.Generator().manual_seed(torch.initial_seed())
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.1)
    warmup, total, since = max(1, recipe.steps // 10), 0.0, 0
    model.train()
    for step in range(1, recipe.steps + 1):
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * min(
            step / warmup, (recipe.steps - step) / (recipe.steps - warmup + 1)
        )
        chosen = rows[torch.randint(len(rows), (recipe.batch_size,), generator=draw)]
        loss = model(input_ids=chosen, labels=chosen).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        total, since = total + float(loss.detach()), since + 1
        if since == REPORT_EVERY or step == recipe.steps:
            yield step, total / since
            total, since = 0.0, 0


def token_rows(reader: SampleReader, sample_format: SampleFormat, length: int) -> Tensor:
    """rows_PL of the dataset's texts, `length` tokens each; the remainder is dropped.

    Raises ValueError if there is not one full row.
    """
    ids: list[int] = []
    for address in addresses(reader):
        try:
            texts = reader.read(address).texts
        except UnreadableSampleError:
            continue  # the loader counts them
        ids += [
            *sample_format.tokenize(BETWEEN_TEXTS.join(text for text in texts if text)),
            sample_format.special.end_of_text,
        ]
        if len(ids) >= TOKENS_IN_MEMORY:
            break
    rows = len(ids) // length
    if not rows:
        raise ValueError(
            f"{reader.folder} has {len(ids)} tokens, less than one row of {length} to pretrain a language model on; "
            "build a larger dataset or leave `language_pretraining` out"
        )
    return torch.tensor(ids[: rows * length]).view(rows, length)
