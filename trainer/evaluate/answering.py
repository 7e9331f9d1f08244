"""Open-ended answers: beam search until the end of chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from m3w.model import Flamingo
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.evaluate.rows import Row, batch_of


@torch.no_grad()
def answer(
    model: Flamingo,
    tokenizer: Any,
    special: SpecialTokens,
    rows: list[Row],
    *,
    max_new_tokens: int,
    beams: int = 3,
    length_penalty: float = 1.0,
    stop: Sequence[str] = (),
) -> list[str]:
    """What the model says behind each prompt, until `<|endofchunk|>`, the end of the text, one of the texts `stop`, or
    `max_new_tokens`."""
    batch = batch_of(rows, tokenizer.pad_token_id, model.device)
    output: Any = model.generate(
        **batch.arguments(),
        max_new_tokens=max_new_tokens,
        num_beams=beams,
        length_penalty=length_penalty if beams > 1 else None,
        do_sample=False,
        eos_token_id=[special.end_of_chunk, special.end_of_text],
        pad_token_id=tokenizer.pad_token_id,
    )
    said = output[:, batch.input_ids_BL.shape[1] :].tolist()
    texts = [tokenizer.decode(_until_end(ids, special), skip_special_tokens=True) for ids in said]
    return [until(text, stop).strip() for text in texts]


def until(text: str, stop: Sequence[str]) -> str:
    """The text before the first of `stop` that is in it."""
    return text[: min((text.find(each) for each in stop if each in text), default=len(text))]


def _until_end(ids: list[int], special: SpecialTokens) -> list[int]:
    ends = [at for at, token in enumerate(ids) if token in (special.end_of_chunk, special.end_of_text)]
    return ids[: ends[0]] if ends else ids
