"""The similarity of an image and the texts beside it, by a CLIP model of transformers.

This module imports torch; only the scoring processes import it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

from m3w.pipeline.images.scorers import ImageInContext

NEAR_CHARACTERS = 200
"""Of a text before or after the image, next to it: CLIP reads 77 tokens, about 300 characters of English."""


class ClipSimilarity:
    """One signal: the largest cosine (-1 to 1) between the image and one of the texts beside it; NaN without a text.

    The texts are its alternative text, its caption, the last `NEAR_CHARACTERS` of the text before and the first of the
    text after it. MMC4 (arXiv 2304.06939, section 3) scores images and sentences by the same model, CLIP ViT-L/14, and
    drops images whose best cosine is below 0.15. Deviation: MMC4 splits the text of the page into sentences and assigns
    images to them; here nodes are in page order, so only the texts next to the image are compared.
    """

    def __init__(self, model: str = "openai/clip-vit-large-patch14", revision: str = "main"):
        """`model`: a name on the Hugging Face hub, or a folder that transformers saved."""
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float16 if self._device == "cuda" else torch.float32
        self._model = CLIPModel.from_pretrained(model, revision=revision, dtype=dtype).to(self._device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        self._pictures = AutoImageProcessor.from_pretrained(model, revision=revision)

    @torch.inference_mode()
    def __call__(self, images: Sequence[ImageInContext]) -> list[tuple[float]]:
        texts = [nearby_texts(image) for image in images]
        flat = [text for beside in texts for text in beside]
        if not flat:
            return [(float("nan"),)] * len(images)
        longest = self._model.config.text_config.max_position_embeddings
        words = self._tokenizer(flat, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        pixels = self._pictures([image.picture for image in images], return_tensors="pt")["pixel_values"]
        output = self._model(
            input_ids=words["input_ids"].to(self._device),
            attention_mask=words["attention_mask"].to(self._device),
            pixel_values=pixels.to(self._device, self._model.dtype),
        )
        cosines = (output.text_embeds.float() @ output.image_embeds.float().T).cpu()  # texts x images, both of length 1
        owners = torch.tensor([number for number, beside in enumerate(texts) for _ in beside])
        of_own = cosines[torch.arange(len(flat)), owners]
        return [(float(of_own[owners == n].max()) if beside else float("nan"),) for n, beside in enumerate(texts)]


def nearby_texts(image: ImageInContext) -> list[str]:
    """The texts beside an image as they are compared with it, without empty ones."""
    before = " ".join((image.before or "").split())[-NEAR_CHARACTERS:]
    after = " ".join((image.after or "").split())[:NEAR_CHARACTERS]
    return [text for text in ((image.alt or "").strip(), (image.caption or "").strip(), before, after) if text]
