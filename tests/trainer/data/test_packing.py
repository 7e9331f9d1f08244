"""A packed row is the same documents in rows of their own: logits, loss and gradients."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "model"))
from model_families import END_OF_CHUNK, IMAGE, LANGUAGE_MODELS, flamingo

from m3w.trainer.data.collate import Batch, Sample, collate
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.packing import PACKABLE, check_packable
from m3w.trainer.data.windows import SpecialTokens, cut_window
from m3w.trainer.metrics.loss import loss_sum

PIXELS = PixelFormat(size=28, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
SPECIAL = SpecialTokens(image=IMAGE, end_of_chunk=END_OF_CHUNK, end_of_text=2)


def samples() -> list[Sample]:
    """Three documents: text before the first image, no image, two images of which one begins it."""
    draw = random.Random(0)
    found = []
    for number, (length, tags) in enumerate([(9, [4]), (5, []), (11, [0, 6])]):
        ids = [IMAGE if place in tags else draw.randrange(3, 40) for place in range(length)]
        window = cut_window(ids, SPECIAL, start=0, tokens=length, images=5, attend_next=number == 2)
        noise = np.random.default_rng(number)
        pictures = [[noise.integers(0, 255, (28, 20, 3)).astype(np.uint8)] for _ in tags]
        found.append(Sample(key=str(number), window=window, pictures=pictures))
    return found


def batches() -> tuple[Batch, Batch]:
    """Packed into one row of 28, and in three rows of 12."""
    packed = collate([samples()], tokens=28, pixels=PIXELS, padding=0, packed=True)
    return packed, collate([[sample] for sample in samples()], tokens=12, pixels=PIXELS, padding=0)


def test_a_packed_row_starts_positions_and_losses_with_each_document():
    packed, apart = batches()
    assert packed.position_ids.tolist() == [[*range(9), *range(5), *range(11), *range(3)]]
    assert packed.loss_tokens == apart.loss_tokens
    assert packed.text_tokens == apart.text_tokens == 25
    assert packed.image_counts.tolist() == [3] and apart.image_counts.tolist() == [1, 0, 2]
    assert packed.phi[0].tolist() == [*[0] * 4, *[1] * 5, *[0] * 5, 2, *[3] * 6, *[0] * 4, *[0] * 3]


@pytest.mark.parametrize("family", sorted(PACKABLE & LANGUAGE_MODELS.keys()))
def test_logits_loss_and_gradients_are_those_of_documents_in_rows_of_their_own(family):
    model = flamingo(family)
    packed, apart = batches()
    with torch.no_grad():
        one, three = model(**packed.inputs()).logits[0], model(**apart.inputs()).logits
    own = torch.cat([three[0, :9], three[1, :5], three[2, :11]])
    assert torch.allclose(one[:25], own, atol=1e-5)

    def step(batch: Batch) -> tuple[float, list[torch.Tensor]]:
        model.zero_grad()
        loss = loss_sum(model, batch)
        loss.backward()
        return float(loss), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    (packed_loss, packed_gradients), (loss, gradients) = step(packed), step(apart)
    assert packed_loss == pytest.approx(loss, rel=1e-5)
    assert len(gradients) > 10
    for ours, expected in zip(packed_gradients, gradients, strict=True):
        assert torch.allclose(ours, expected, atol=1e-5 * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("family", sorted(LANGUAGE_MODELS.keys() - PACKABLE))
def test_a_family_that_cannot_tell_documents_apart_is_refused(family):
    with pytest.raises(ValueError, match=r"leave data\.packing out"):
        check_packable(flamingo(family))


def test_every_previous_image_would_be_those_of_other_documents():
    with pytest.raises(ValueError, match="all_previous"):
        check_packable(flamingo("llama", attend="all_previous"))
    check_packable(flamingo("llama"))
