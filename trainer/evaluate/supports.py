"""Which supports a query is shown: from a seeded draw, at random or the most similar ones.

Flamingo (arXiv 2204.14198), section 3.1 and appendix A.2: supports come from 2,048 examples of the training set. RICES
takes those whose pictures are most similar to the query's, by features of the frozen vision encoder, and puts the most
similar last, next to the query.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from m3w.trainer.evaluate.example import Example, Media


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
    """Of the pool's pictures, of length 1; None: supports are chosen at random. A row of nan is never chosen."""

    def choose(
        self,
        query: Example,
        shots: int,
        feature_V: Tensor | None = None,
        usable: Callable[[Example], bool] = lambda support: True,
    ) -> list[Example]:
        """At most `shots` `usable` supports for the query, in the order in which they are shown: the best last."""
        return list(islice(filter(usable, self.candidates(query, feature_V)), shots))[::-1]

    def candidates(self, query: Example, feature_V: Tensor | None = None) -> Iterator[Example]:
        """The pool from the first choice on, without the query's own picture: it would give the answer away."""
        for number in self._order(query, feature_V):
            support = self.pool[number]
            if not same_picture(support.media, query.media):
                yield support

    def _order(self, query: Example, feature_V: Tensor | None) -> list[int]:
        if self.features_PV is None or feature_V is None:
            order = list(range(len(self.pool)))
            # By the query, so that neither the number of processes nor what was done before changes its supports.
            random.Random(f"{self.seed}/{query.key}").shuffle(order)
            return order
        likeness_P = self.features_PV @ feature_V
        known = [number for number, value in enumerate(likeness_P.tolist()) if value == value]
        ranked: list[int] = torch.argsort(likeness_P, descending=True, stable=True).tolist()
        readable = set(known)
        return [number for number in ranked if number in readable]


def same_picture(one: Media, other: Media) -> bool:
    """Whether both are the same file; segments of one video count as the same."""
    return (one.path, one.offset) == (other.path, other.offset)


def orders(shots: Sequence[Example], count: int, seed: str) -> list[list[Example]]:
    """Up to `count` different orders of the shots, the given one first (appendix A.2: ensembling over 6)."""
    found, drawn = [list(shots)], random.Random(seed)
    keys = {tuple(shot.key for shot in shots)}
    for _ in range(20 * count):  # few shots have few orders
        if len(found) == count:
            break
        order = drawn.sample(list(shots), len(shots))
        key = tuple(shot.key for shot in order)
        if key not in keys:
            keys.add(key)
            found.append(order)
    return found
