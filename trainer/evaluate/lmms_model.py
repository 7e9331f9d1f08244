"""The class that lmms-eval loads: its interface to `LmmsEvaluator`. Only lmms-eval imports this module."""

from __future__ import annotations

from typing import Any

import torch
from lmms_eval.api.model import lmms

from m3w.trainer.evaluate.lmms import NEW_TOKENS, LmmsEvaluator


class M3wFlamingo(lmms):  # type: ignore[misc]  # lmms-eval has no types
    """`--model m3w_flamingo --model_args pretrained=FOLDER[,template=...,beams=3,frames=8]`."""

    is_simple = True

    def __init__(
        self,
        pretrained: str,
        device: str | None = None,
        batch_size: int | str = 1,
        template: str | None = None,
        beams: int = 3,
        frames: int = 8,
    ) -> None:
        super().__init__()
        device = device if device and (torch.cuda.is_available() or device == "cpu") else None
        options: dict[str, Any] = {} if template is None else {"template": template}
        self.evaluator = LmmsEvaluator(
            pretrained,
            device or ("cuda" if torch.cuda.is_available() else "cpu"),
            beams=int(beams),
            frames=int(frames),
            **options,
        )
        self.batch_size = int(batch_size)

    def generate_until(self, requests: list[Any]) -> list[str]:
        """One answer for each request, in their order; requests with equal settings are generated in batches."""
        answers: dict[int, str] = {}
        groups: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for number, request in enumerate(requests):
            keywords = request.args[1]
            until = keywords.get("until") or []
            stop = (until,) if isinstance(until, str) else tuple(until)
            groups.setdefault((int(keywords.get("max_new_tokens", NEW_TOKENS)), stop), []).append(number)
        for (tokens, stop), numbers in groups.items():
            for start in range(0, len(numbers), self.batch_size):
                batch = numbers[start : start + self.batch_size]
                contexts = [requests[number].args[0] for number in batch]
                visuals = [self._visuals(*requests[number].args[2:6]) for number in batch]
                texts = self.evaluator.answers(contexts, visuals, max_new_tokens=tokens, until=stop)
                answers.update(zip(batch, texts, strict=True))
        return [answers[number] for number in range(len(requests))]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """The mean loss of each continuation, as lmms-eval's models give it, and whether greedy decoding gives it."""
        losses = []
        for request in requests:
            context, target, doc_to_visual, doc_id, task, split = request.args
            document = self.task_dict[task][split][doc_id]
            continuation = target if isinstance(target, str) else target(document)
            losses.append(self.evaluator.loss(context, self._visuals(doc_to_visual, doc_id, task, split), continuation))
        return losses

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        raise NotImplementedError("m3w_flamingo does not support tasks of several rounds; run tasks of one round")

    def _visuals(self, doc_to_visual: Any, doc_id: Any, task: str, split: str) -> list[Any]:
        return list(doc_to_visual(self.task_dict[task][split][doc_id]))
