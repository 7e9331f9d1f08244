"""Which supports a query is shown: from a seeded draw, at random or the most similar ones.

Flamingo (arXiv 2204.14198), section 3.1 and appendix A.2: supports come from 2,048 examples of the training set. RICES
takes those whose pictures are most similar to the query's, by features of the frozen vision encoder, and puts the most
similar last, next to the query.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3w.model.vision import frame_features
from m3w.trainer.evaluate.inputs import PixelCache
from m3w.trainer.evaluate.media import read_bytes
from m3w.trainer.evaluate.tasks.source import Example, Media


def draw(examples: Sequence[Example], count: int | None, seed: int) -> list[Example]:
    """`count` of the examples, drawn by `seed`; all of them, in their order, if there are no more or for None."""
    if count is None or len(examples) <= count:
        return list(examples)
    return random.Random(seed).sample(list(examples), count)


@dataclass(frozen=True)
class Supports:
    """The supports of one seed."""

    pool: list[Example]
    seed: int
    features_PV: Tensor | None = None
    """Features of the pool's pictures, of length 1, nan for those never to choose; None: supports are drawn at
    random."""

    def choose(
        self,
        query: Example,
        shots: int,
        feature_V: Tensor | None = None,
        usable: Callable[[Example], bool] = lambda support: True,
    ) -> list[Example]:
        """At most `shots` `usable` supports for the query, in the order of the prompt: the best last."""
        return list(islice(filter(usable, self.candidates(query, feature_V)), shots))[::-1]

    def candidates(self, query: Example, feature_V: Tensor | None = None) -> Iterator[Example]:
        """The pool, best first, without examples of the query's own picture: they would give the answer away."""
        for number in self._order(query, feature_V):
            support = self.pool[number]
            if not same_picture(support.media, query.media):
                yield support

    def _order(self, query: Example, feature_V: Tensor | None) -> list[int]:
        if self.features_PV is None or feature_V is None:
            order = list(range(len(self.pool)))
            # Seeded by the query: its supports depend neither on the number of processes nor on earlier queries.
            random.Random(f"{self.seed}/{query.key}").shuffle(order)
            return order
        similarity_P = self.features_PV @ feature_V
        readable = {number for number, value in enumerate(similarity_P.tolist()) if value == value}
        ranked: list[int] = torch.argsort(similarity_P, descending=True, stable=True).tolist()
        return [number for number in ranked if number in readable]


def same_picture(one: Media, other: Media) -> bool:
    """Whether both are the same file; segments of one video count as the same."""
    return (one.path, one.offset) == (other.path, other.offset)


def permutations(shots: Sequence[Example], count: int, seed: str) -> list[list[Example]]:
    """Up to `count` different orders of the shots, the given one first (appendix A.2: ensembling over 6)."""
    orders, drawn = [list(shots)], random.Random(seed)
    seen = {tuple(shot.key for shot in shots)}
    for _ in range(20 * count):  # few shots have few orders
        if len(orders) == count:
            break
        order = drawn.sample(list(shots), len(shots))
        keys = tuple(shot.key for shot in order)
        if keys not in seen:
            seen.add(keys)
            orders.append(order)
    return orders


class Features:
    """Features of pictures and videos by the frozen vision encoder, for RICES; computed once and kept in `folder`.

    A feature is the mean of the encoder's features over positions and frames, at length 1. Its file is named by the
    encoder's fingerprint and the hash of the picture's bytes: a changed file gets a new feature, a moved one does not.
    """

    def __init__(self, folder: Path, encoder: nn.Module, cache: PixelCache) -> None:
        self.folder = folder / f"{encoder_fingerprint(encoder)}-{cache.size}-{cache.frames}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.encoder, self.cache = encoder, cache

    def of(self, media: Media) -> Tensor:
        """feature_V of one picture or video. Raises UnreadableMediaError."""
        path = self._path(media)
        if path.exists():
            return torch.from_numpy(np.load(path))
        feature_V = self._compute(media)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        with partial.open("wb") as file:
            np.save(file, feature_V.numpy())
        partial.replace(path)  # in one step: two ranks may compute the same picture
        return feature_V

    def _path(self, media: Media) -> Path:
        digest = hashlib.sha256(read_bytes(media))
        digest.update(f"{media.start} {media.end}".encode())
        return self.folder / f"{digest.hexdigest()[:32]}.npy"

    @torch.no_grad()
    def _compute(self, media: Media) -> Tensor:
        parameter = next(self.encoder.parameters())
        pixels_TCHW = self.cache.pixels(media).to(parameter.device, parameter.dtype)
        features_TSV = frame_features(self.encoder, pixels_TCHW)
        return F.normalize(features_TSV.float().mean(dim=(0, 1)), dim=0).cpu()


def encoder_fingerprint(encoder: nn.Module) -> str:
    """The first 16 hex digits of the SHA-256 of all its weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
