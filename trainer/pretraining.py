"""A vision encoder from scratch learns to name what it sees, before a Flamingo is built on it.

The paper's encoder was trained on pairs of images and texts first (arXiv 2204.14198, appendix B.1.3). Here each image
of the dataset predicts which tokens occur in the text beside it, as in Joulin et al. (arXiv 1511.02251): mean of the
features, one linear layer, a logistic loss for each token of the vocabulary. On the demo crawl, eight epochs (30 s of
one core) turn a Flamingo that names 1 colour in 10 after 280 steps into one that names 9 in 10.

All pictures are held in memory: this is for small datasets; a larger one deserves an encoder that is trained already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from m3w.schemas.sequence import Sequence
from m3w.trainer.data.images import UndecodableImageError, decode_image, to_pixels
from m3w.trainer.data.lanes import SampleForm
from m3w.trainer.data.sequences import SampleReader, UnreadableSampleError, addresses
from m3w.trainer.recipe import PretrainingRecipe

PIXEL_BYTES = 2**30
"""Most memory that the pictures may take; later ones are left out."""

SHIFT = 0.1
"""Pictures are moved by up to this share of their side, both ways, anew each time they are seen."""


@dataclass(frozen=True, slots=True)
class NamedPictures:
    """Pictures and the tokens beside them. Shapes: P pictures, V tokens."""

    pixels: Tensor
    """float32 [P, 3, H, W]."""
    tokens: Tensor
    """float32 [P, V]: 1 where the token occurs in the text beside the picture."""


def pretrain_vision_encoder(
    encoder: PreTrainedModel, pictures: NamedPictures, recipe: PretrainingRecipe
) -> Iterator[float]:
    """Trains `encoder` in place; yields the loss of each epoch (nats a picture, summed over the vocabulary).

    AdamW, the rate falling to 0 over the last 40 % of the steps.
    """
    draw = torch.Generator().manual_seed(torch.initial_seed())
    head = _head(encoder, pictures)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], recipe.learning_rate, weight_decay=0.05)
    count, step = len(pictures.pixels), 0
    steps = recipe.epochs * -(-count // recipe.batch_size)
    encoder.train()
    for _ in range(recipe.epochs):
        total = 0.0
        for chosen in torch.split(torch.randperm(count, generator=draw), recipe.batch_size):
            optimizer.param_groups[0]["lr"] = recipe.learning_rate * min(1.0, (steps - step) / (0.4 * steps))
            logits = head(pooled(encoder, moved(pictures.pixels[chosen], draw)))
            loss = F.binary_cross_entropy_with_logits(logits, pictures.tokens[chosen], reduction="sum")
            (loss / len(chosen)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            total, step = total + float(loss.detach()), step + 1
        yield total / count


def _head(encoder: PreTrainedModel, pictures: NamedPictures) -> nn.Linear:
    """Starts at how often each token occurs, so that nothing but the pictures is left to learn."""
    with torch.no_grad():
        width = pooled(encoder.eval(), pictures.pixels[:1]).shape[1]
        head = nn.Linear(width, pictures.tokens.shape[1])
        head.weight.normal_(std=0.02)
        head.bias.copy_(torch.logit(pictures.tokens.mean(0).clamp(1e-3, 1 - 1e-3)))
    return head


def pooled(encoder: PreTrainedModel, pixels: Tensor) -> Tensor:
    """[P, W]: the mean of the features, of a map or a list of patches."""
    features: Tensor = encoder(pixel_values=pixels).last_hidden_state
    return features.flatten(2).mean(2) if features.ndim == 4 else features.mean(1)


def moved(pixels: Tensor, draw: torch.Generator) -> Tensor:
    """The pictures, half of them mirrored, all moved by one distance drawn for the batch; what leaves comes back."""
    mirrored = torch.rand(len(pixels), 1, 1, 1, generator=draw) < 0.5
    most = round(SHIFT * pixels.shape[-1])
    down, right = (int(distance) for distance in torch.randint(-most, most + 1, (2,), generator=draw))
    return torch.where(mirrored, pixels.flip(3), pixels).roll((down, right), dims=(2, 3))


def named_pictures(reader: SampleReader, form: SampleForm, vocabulary: int) -> NamedPictures:
    """The pictures of a dataset that have a text beside them, the first that fit into memory.

    Raises ValueError if there are none.
    """
    most = PIXEL_BYTES // (12 * form.pixels.size**2)
    found: list[tuple[Tensor, str]] = []
    for address in addresses(reader):
        try:
            found += _beside(reader.read(address), form)
        except (UnreadableSampleError, UndecodableImageError):
            continue  # the loader counts them
        if len(found) >= most:
            break
    if not found:
        raise ValueError(
            f"{reader.folder} has no picture with a text beside it to pretrain on; leave `pretraining` out"
        )
    tokens = torch.zeros(len(found), vocabulary)
    for row, (_, text) in enumerate(found):
        tokens[row, form.tokenize(text)] = 1
    return NamedPictures(torch.stack([pixels for pixels, _ in found]), tokens)


def _beside(sequence: Sequence, form: SampleForm) -> list[tuple[Tensor, str]]:
    """Each picture with the text after it or, if an image or nothing follows, before it."""
    pairs = []
    padded = [None, *sequence.texts, None]
    for content, position in zip(sequence.image_bytes, sequence.image_positions, strict=True):
        text = padded[position + 2] or padded[position]
        if text:
            pairs.append((to_pixels(decode_image(content, form.pixels.size), form.pixels), text))
    return pairs
