"""The similarity of an image and the texts beside it, on a tiny random CLIP."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from m3w.pipeline.images.scorers import ImageInContext

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def scorer(tiny_clip: Path) -> Any:
    from m3w.pipeline.images.clip import ClipSimilarity

    return ClipSimilarity(str(tiny_clip))


def picture(seed: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


def image(seed: int = 0, **texts: str | None) -> ImageInContext:
    beside = dict.fromkeys(("alt", "caption", "before", "after")) | texts
    return ImageInContext(picture=picture(seed), **beside)  # type: ignore[arg-type]


def cosine(folder: Path, seed: int, text: str) -> float:
    """Worked out by transformers' own functions, one picture and one text at a time."""
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)([text], truncation=True, max_length=20, return_tensors="pt")
    pixels = AutoImageProcessor.from_pretrained(folder)([picture(seed)], return_tensors="pt")
    with torch.no_grad():
        seen = model.get_image_features(**pixels).pooler_output
        read = model.get_text_features(**words).pooler_output
    return float(torch.nn.functional.cosine_similarity(seen, read))


def test_the_score_is_the_largest_cosine_of_the_texts_beside_the_image(scorer: Any, tiny_clip: Path) -> None:
    texts = {"alt": "a kettle", "caption": "tea on the table", "before": "the spring", "after": "an old elm"}
    cosines = {text: cosine(tiny_clip, 3, text) for text in texts.values()}
    assert max(cosines.values()) - min(cosines.values()) > 0.01, "a test of nothing otherwise"
    assert scorer([image(3, **texts)])[0][0] == pytest.approx(max(cosines.values()), abs=1e-5)
    for name, text in texts.items():
        assert scorer([image(3, **{name: text})])[0][0] == pytest.approx(cosines[text], abs=1e-5)


def test_each_image_of_a_batch_is_scored_with_its_own_texts(scorer: Any) -> None:
    images = [image(1, alt="a kettle"), image(2), image(3, after="an old elm", alt=" "), image(4, before="the spring")]
    together = [score for (score,) in scorer(images)]
    alone = [score for one in images for (score,) in scorer([one])]
    assert together == pytest.approx(alone, abs=1e-5, nan_ok=True)
    assert [math.isnan(score) for score in together] == [False, True, False, False]
    assert len({round(score, 4) for score in together if score == score}) == 3
    assert math.isnan(scorer([image(2)])[0][0])


def test_only_what_is_near_the_image_is_read_of_long_texts(scorer: Any) -> None:
    from m3w.pipeline.images.clip import NEAR_CHARACTERS, nearby_texts

    far, near = "far " * 100, "near\n" * (NEAR_CHARACTERS // 5)
    before, after = nearby_texts(image(before=far + near, after=near + far))
    assert len(before) == len(after) == NEAR_CHARACTERS
    assert before == f" {near.replace(chr(10), ' ')}"[:NEAR_CHARACTERS]
    assert after == near.replace("\n", " ")
    assert scorer([image(alt="word " * 500)])[0][0] <= 1, "longer than the model reads"
