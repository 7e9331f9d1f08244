"""Checkpoints under lmms-eval: its 100 and more tasks ask, a Flamingo answers.

    pip install lmms-eval        # beside m3w; it finds the model by the entry point `lmms_eval.models`
    python -m lmms_eval --model m3w_flamingo --model_args pretrained=runs/training/model --tasks vqav2_val

Its exemplars are text alone and it has no RICES: for few-shot scores take `m3w eval`. `lmms_model.py` is the class that
lmms-eval loads; what it does is here, without that package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from m3w.model.processor import IMAGE_TOKEN
from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.answering import answer
from m3w.trainer.evaluate.checkpoint import open_checkpoint
from m3w.trainer.evaluate.example import Media
from m3w.trainer.evaluate.media import is_video, read_frames
from m3w.trainer.evaluate.prompt import Chunk, Prompt, answer_ids
from m3w.trainer.evaluate.rows import Row, batch_of

MODEL_ID = "m3w_flamingo"
TEMPLATE = "Question: {context} Answer:"
NEW_TOKENS = 32
"""Where a task does not say."""


def manifests() -> Any:
    """What lmms-eval registers, by its entry point."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id=MODEL_ID, simple_class_path="m3w.trainer.evaluate.lmms_model.M3wFlamingo")


class Asking:
    """A checkpoint that answers what lmms-eval's tasks ask."""

    def __init__(
        self, pretrained: str, device: str, *, template: str = TEMPLATE, beams: int = 3, frames: int = 8
    ) -> None:
        self.asked = open_checkpoint(Path(pretrained), torch.device(device))
        if "{context}" not in template:
            raise InputError(f"template {template!r} has no {{context}}, so nothing would be asked; put it in")
        self.template, self.beams, self.frames = template, beams, frames

    def answers(
        self, contexts: Sequence[str], visuals: Sequence[Sequence[Any]], *, max_new_tokens: int, until: Sequence[str]
    ) -> list[str]:
        """The answer to each context on its pictures: PIL images, or paths of videos."""
        tokenizer, special = self.asked.processor.tokenizer, self.asked.special
        return answer(
            self.asked.model,
            tokenizer,
            special,
            [self._row(context, shown)[0] for context, shown in zip(contexts, visuals, strict=True)],
            max_new_tokens=max_new_tokens,
            beams=self.beams,
            stop=until,
        )

    @torch.no_grad()
    def loss(self, context: str, visuals: Sequence[Any], continuation: str) -> tuple[float, bool]:
        """Mean negative log-likelihood, nats a token, of `continuation`, and whether each token is the likeliest one.

        lmms-eval takes the choice of the lowest first number.
        """
        row, text = self._row(context, visuals)
        said = answer_ids(text, f" {continuation.strip()}", self.asked.tokenize)
        whole = batch_of(
            [Row([*row.ids, *said], row.pixels)], self.asked.processor.tokenizer.pad_token_id, self.asked.model.device
        )
        logits_LV = self.asked.model(**whole.arguments()).logits[0, len(row.ids) - 1 : -1].float()
        target = torch.tensor(said, device=logits_LV.device)
        loss = torch.nn.functional.cross_entropy(logits_LV, target)
        return float(loss), bool((logits_LV.argmax(dim=-1) == target).all())

    def _row(self, context: str, visuals: Sequence[Any]) -> tuple[Row, str]:
        """The prompt, and its last text. Every picture has its tag, the text stands on the last."""
        text = self.template.format(context=context.replace(IMAGE_TOKEN, "").strip())
        pixels = [self._pixels(shown) for shown in visuals]
        chunks = [Chunk(Media(path=""), "") for _ in pixels[:-1]] + [Chunk(Media(path="") if pixels else None, text)]
        return Row(Prompt(tuple(chunks)).encode(self.asked.tokenize, self.asked.special), pixels), text

    def _pixels(self, shown: Any) -> Tensor:
        processor = self.asked.processor
        if isinstance(shown, Image.Image):
            return processor.pixels(shown)
        media = Media(path=str(shown))
        if not is_video(media):
            raise InputError(f"{shown!r} is neither a picture nor the path of a video, so it cannot be shown")
        return processor.pixels(read_frames(media, size=processor.image_size, frames=self.frames))
