"""Text attends to the image that phi names, and to no other."""

from __future__ import annotations

import random

import pytest
import torch
from model_families import IMAGE, LANGUAGE_MODELS, flamingo, pictures

from m3w.model.phi import next_image, previous_image


def influence(model: torch.nn.Module, ids: torch.Tensor, images: int, **call: torch.Tensor) -> torch.Tensor:
    """[images, B, L]: whether the image reaches the token's hidden state before the first language model block."""
    pixels = pictures(images)
    latents = model.encode_images(pixels).detach().requires_grad_()
    reached = torch.zeros(images, *ids.shape, dtype=torch.bool)
    states = []
    block = model.language_model.model.layers[0].cross_attention
    handle = block.register_forward_hook(lambda _, __, out: states.append(out))
    model.encode_images = lambda _: latents  # type: ignore[method-assign]
    model(ids, None, pixels, **call)
    handle.remove()
    for row in range(ids.shape[0]):
        for token in range(ids.shape[1]):
            (gradient,) = torch.autograd.grad(states[0][row, token].sum(), latents, retain_graph=True)
            reached[:, row, token] = gradient.abs().amax(dim=(1, 2)) > 0
    return reached


def layout(seed: int, rows: int = 3, length: int = 40) -> torch.Tensor:
    draw = random.Random(seed)
    return torch.tensor([[IMAGE if draw.random() < 0.15 else 5 for _ in range(length)] for _ in range(rows)])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", ["previous", "next", "random", "all_previous"])
def test_an_images_influence_reaches_exactly_the_tokens_whose_phi_names_it(seed: int, rule: str) -> None:
    ids = layout(seed)
    is_image = ids == IMAGE
    counts = is_image.sum(1)
    torch.manual_seed(seed)
    phi = {
        "previous": previous_image(is_image),
        "next": next_image(is_image),
        "random": (torch.rand(ids.shape) * (counts[:, None] + 1)).long(),
        "all_previous": previous_image(is_image),
    }[rule]
    first = counts.cumsum(0) - counts
    expected = torch.zeros(int(counts.sum()), *ids.shape, dtype=torch.bool)
    for row in range(len(ids)):
        for token, named in enumerate(phi[row].tolist()):
            for image in range(1, named + 1) if rule == "all_previous" else range(max(named, 1), named + 1):
                expected[first[row] + image - 1, row, token] = True
    model = flamingo("llama", attend="all_previous" if rule == "all_previous" else "one")
    call = {"image_counts": counts} if rule in ("previous", "all_previous") else {"image_counts": counts, "phi": phi}
    assert torch.equal(influence(model, ids, int(counts.sum()), **call), expected)


@pytest.mark.parametrize("family", LANGUAGE_MODELS)
def test_a_planted_picture_moves_the_logits_from_its_tag_on(family: str) -> None:
    ids = torch.tensor([[5, IMAGE, 6, 7, 8], [5, 6, 7, IMAGE, 8]])
    model, counts = flamingo(family), torch.tensor([1, 1])
    pixels = pictures(2).requires_grad_()
    model.vision_encoder.requires_grad_(True)
    model.config.freeze_vision_encoder = False
    logits = model(ids, None, pixels, counts).logits
    for row, tag in ((0, 1), (1, 3)):
        for token in range(5):
            (gradient,) = torch.autograd.grad(logits[row, token, :40].square().sum(), pixels, retain_graph=True)
            moved = (gradient.abs().amax(dim=(1, 2, 3, 4)) > 0).tolist()
            assert moved == [row == image and token >= tag for image in range(2)]


def test_next_image_names_the_image_at_or_after_the_token_and_none_after_the_last() -> None:
    tags = torch.tensor([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]]).bool()
    assert previous_image(tags).tolist() == [[0, 1, 1, 1, 2, 2], [0] * 6]
    assert next_image(tags).tolist() == [[1, 1, 2, 2, 2, 0], [0] * 6]
