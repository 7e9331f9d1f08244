"""A checkpoint as a model of lmms-eval, which has more than 100 tasks.

    pip install lmms-eval        # beside m3w; it finds the model by the entry point `lmms_eval.models`
    python -m lmms_eval --model m3w_flamingo --model_args pretrained=runs/training/model --tasks vqav2_val

Its exemplars are text alone and it has no RICES: for few-shot scores use `m3w eval`. lmms-eval loads the class in
`lmms_model.py`, which calls this module; this module does not need the package.
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
from m3w.trainer.evaluate.answers import generate_answers
from m3w.trainer.evaluate.inputs import Chunk, Prompt, Row, batch_rows
from m3w.trainer.evaluate.loaded_model import load_model
from m3w.trainer.evaluate.media import is_video, read_frames
from m3w.trainer.evaluate.tasks.source import Media

MODEL_ID = "m3w_flamingo"
TEMPLATE = "Question: {context} Answer:"
NEW_TOKENS = 32
"""The most tokens of an answer, where a task does not set it."""


def manifests() -> Any:
    """What the entry point gives lmms-eval to register."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id=MODEL_ID, simple_class_path="m3w.trainer.evaluate.lmms_model.M3wFlamingo")


class LmmsEvaluator:
    """A checkpoint that answers the requests of lmms-eval's tasks."""

    def __init__(
        self, pretrained: str, device: str, *, template: str = TEMPLATE, beams: int = 3, frames: int = 8
    ) -> None:
        self.loaded = load_model(Path(pretrained), torch.device(device))
        if "{context}" not in template:
            raise InputError(f"template {template!r} has no {{context}}, so the model gets no question; put it in")
        self.template, self.beams, self.frames = template, beams, frames

    def answers(
        self, contexts: Sequence[str], visuals: Sequence[Sequence[Any]], *, max_new_tokens: int, until: Sequence[str]
    ) -> list[str]:
        """The answer to each context with its pictures: PIL images, or paths of videos."""
        prompts = [self._prompt(context, pictures) for context, pictures in zip(contexts, visuals, strict=True)]
        rows = [row for _, row in prompts]
        return generate_answers(self.loaded, rows, max_new_tokens=max_new_tokens, beams=self.beams, stop=until)

    @torch.no_grad()
    def loss(self, context: str, visuals: Sequence[Any], continuation: str) -> tuple[float, bool]:
        """Mean negative log-likelihood of `continuation`, nats per token, and whether each token is the most likely.

        lmms-eval takes the choice with the lowest loss.
        """
        prompt, row = self._prompt(context, visuals)
        answer = self.loaded.answer_ids(prompt, f" {continuation.strip()}")
        batch = batch_rows([Row([*row.ids, *answer], row.pixels)], self.loaded.padding, self.loaded.model.device)
        logits_LV = self.loaded.model(**batch.arguments()).logits[0, len(row.ids) - 1 : -1].float()
        target = torch.tensor(answer, device=logits_LV.device)
        loss = torch.nn.functional.cross_entropy(logits_LV, target)
        return float(loss), bool((logits_LV.argmax(dim=-1) == target).all())

    def _prompt(self, context: str, visuals: Sequence[Any]) -> tuple[Prompt, Row]:
        """Every picture has its `<image>`; the text follows the last one."""
        text = self.template.format(context=context.replace(IMAGE_TOKEN, "").strip())
        pixels = [self._pixels(visual) for visual in visuals]
        media = Media(path="")  # the pixels are here already
        chunks = [Chunk(media, "") for _ in pixels[:-1]] + [Chunk(media if pixels else None, text)]
        prompt = Prompt(tuple(chunks))
        return prompt, Row(prompt.encode(self.loaded.tokenize, self.loaded.special), pixels)

    def _pixels(self, visual: Any) -> Tensor:
        processor = self.loaded.processor
        if isinstance(visual, Image.Image):
            return processor.pixels(visual)
        media = Media(path=str(visual))
        if not is_video(media):
            raise InputError(f"{visual!r} is neither a picture nor the path of a video, so the model cannot see it")
        return processor.pixels(read_frames(media, size=processor.image_size, frames=self.frames))
