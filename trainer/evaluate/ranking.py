"""Close-ended answers: the log-likelihood of each, the prompt read once.

The keys and values of the prompt, and of its pictures in every cross-attention block, are computed in one call; every
answer then costs its own tokens alone. `rank_slowly` is what this must equal: prompt and answer read anew for each.

Shapes: B prompts, L tokens, K answers at once, A tokens of the longest answer, V columns of the logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from m3w.model import Flamingo
from m3w.trainer.evaluate.rows import Batch, Row, batch_of

Answers = list[list[list[int]]]
"""Tokens of each answer of each row."""


@torch.no_grad()
def rank(model: Flamingo, rows: list[Row], answers: Answers, padding: int, *, at_once: int = 64) -> list[list[float]]:
    """Log-likelihood, nats, of each answer behind its prompt, summed over the answer's tokens.

    `at_once` is the most rows that go through the model in one call. Answers must have a token at least.
    """
    batch = batch_of(rows, padding, model.device)
    outputs: Any = model(**batch.arguments(), use_cache=True, logits_to_keep=1)
    first_BV = outputs.logits[:, -1].float().log_softmax(dim=-1)
    most = max(len(row) for row in answers)
    scores = [[float(first_BV[b, answer[0]]) for answer in row] for b, row in enumerate(answers)]
    if max(len(answer) for row in answers for answer in row) == 1:
        return scores
    width = max(1, min(most, at_once // len(rows)))
    cache = outputs.past_key_values
    if hasattr(cache, "activate_past_recording"):
        cache.activate_past_recording()  # a sliding window forgets what cropping needs again
    cache.batch_repeat_interleave(width)
    for start in range(0, most, width):
        # A row with fewer answers repeats its first, and the repetition is not looked at.
        taken = [[(row[start : start + width] + [row[0]] * width)[k] for k in range(width)] for row in answers]
        rest_BK = _rest(model, batch, cache, [answer for row in taken for answer in row], padding).view(-1, width)
        for b, row in enumerate(answers):
            for k in range(len(row[start : start + width])):
                scores[b][start + k] += float(rest_BK[b, k])
    return scores


def _rest(model: Flamingo, batch: Batch, cache: Any, answers: list[list[int]], padding: int) -> Tensor:
    """Log-likelihood of every token but the first, summed, of B x K answers; the cache is left as it was."""
    longest = max(max(len(answer) for answer in answers) - 1, 1)
    ids = torch.tensor([(answer[:-1] + [padding] * longest)[:longest] for answer in answers], device=model.device)
    next_ids = torch.tensor([(answer[1:] + [padding] * longest)[:longest] for answer in answers], device=model.device)
    lengths = torch.tensor([len(answer) - 1 for answer in answers], device=model.device)
    counts = torch.arange(longest, device=model.device) < lengths[:, None]
    mask = torch.cat((batch.mask_BL.repeat_interleave(len(answers) // len(batch.mask_BL), dim=0), counts.long()), dim=1)
    outputs: Any = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
    cache.crop(-longest)
    logits = outputs.logits.float()
    said = logits.gather(2, next_ids[..., None])[..., 0] - logits.logsumexp(dim=-1)
    summed: Tensor = said.masked_fill(~counts, 0).sum(dim=1)
    return summed


@torch.no_grad()
def rank_slowly(model: Flamingo, rows: list[Row], answers: Answers, padding: int) -> list[list[float]]:
    """As `rank`, one prompt and answer at a time, without a cache."""
    scores: list[list[float]] = []
    for row, choices in zip(rows, answers, strict=True):
        scores.append([])
        for answer in choices:
            batch = batch_of([Row([*row.ids, *answer], row.pixels)], padding, model.device)
            logits_LV = model(**batch.arguments()).logits[0].float().log_softmax(dim=-1)
            places = range(len(row.ids) - 1, len(row.ids) + len(answer) - 1)
            scores[-1].append(sum(float(logits_LV[at, token]) for at, token in zip(places, answer, strict=True)))
    return scores
