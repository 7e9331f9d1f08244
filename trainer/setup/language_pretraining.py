"""A language model from scratch learns the dataset's language, before a Flamingo is built on it and freezes it.

The paper's was trained on text alone first (arXiv 2204.14198, section 2.2). Here it reads the dataset's texts without
their images, one document behind the other, in rows of equal length: AdamW, the rate warmed up over a tenth of the
steps and then falling to 0.

All tokens are held in memory: this is for small datasets; a larger one deserves a model that is trained already.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from m3w.trainer.data.batch_slots import SampleForm
from m3w.trainer.data.sequences import SampleReader, UnreadableSampleError, addresses
from m3w.trainer.data.windows import BETWEEN_TEXTS
from m3w.trainer.recipe import LanguagePretrainingRecipe

TOKENS_IN_MEMORY = 2**27
"""Most tokens that are held; later documents are left out."""

REPORT_EVERY = 50
"""Steps between two losses."""


def pretrain_language_model(
    model: PreTrainedModel, rows: Tensor, recipe: LanguagePretrainingRecipe
) -> Iterator[tuple[int, float]]:
    """Trains `model` in place on rows_PL of token ids; yields step and mean loss (nats per token) now and then."""
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


def token_rows(reader: SampleReader, form: SampleForm, length: int) -> Tensor:
    """rows_PL of the dataset's texts, `length` tokens each, what is left at the end without a row.

    Raises ValueError if there is not one row.
    """
    ids: list[int] = []
    for address in addresses(reader):
        try:
            texts = reader.read(address).texts
        except UnreadableSampleError:
            continue  # the loader counts them
        ids += [*form.tokenize(BETWEEN_TEXTS.join(text for text in texts if text)), form.special.end_of_text]
        if len(ids) >= TOKENS_IN_MEMORY:
            break
    rows = len(ids) // length
    if not rows:
        raise ValueError(
            f"{reader.folder} has {len(ids)} tokens, not one row of {length} to pretrain a language model on; "
            "build a larger dataset or leave `language_pretraining` out"
        )
    return torch.tensor(ids[: rows * length]).view(rows, length)
