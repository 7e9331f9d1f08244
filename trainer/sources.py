"""The recipe's datasets, opened, as the sources of a mixture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainer.data.lanes import LaneDataset, SampleForm, rank_lanes
from trainer.data.order import SampleOrder
from trainer.data.pairs import PairReader
from trainer.data.sequences import DatasetReader, SampleReader, SequenceReader
from trainer.mixture import INTERLEAVED, Mixture, Source
from trainer.ranks import Ranks
from trainer.recipe import PairsRecipe, Recipe


def open_pairs(recipe: Recipe, indexes: Path, ranks: Ranks) -> dict[str, PairReader]:
    """The recipe's pairs, in the order of their names; the first rank indexes tars that have no index yet."""
    readers = {name: PairReader(pairs.shards, indexes / name) for name, pairs in sorted(recipe.pairs.items())}
    for name, reader in readers.items():
        if ranks.first:
            reader.make_indexes()
        ranks.wait()
        samples, batch_size = sum(reader.shard_sizes), recipe.pairs[name].batch_size
        if samples < batch_size:
            raise ValueError(
                f"pairs.{name} has {samples} pairs, fewer than a batch of {batch_size}, so a batch would hold a pair "
                f"twice; set pairs.{name}.batch_size to {samples} or less, or name more tars"
            )
    return readers


def make_mixture(
    recipe: Recipe, reader: SequenceReader, pairs: dict[str, PairReader], form: SampleForm, ranks: Ranks
) -> Mixture:
    """The interleaved dataset and the pairs, each with this rank's lanes. `form` is that of the interleaved windows."""
    lanes = _lanes(recipe, reader, form, recipe.training.batch_size, recipe.data.shards_per_block, 0, ranks)
    sources = [Source(INTERLEAVED, recipe.data.weight, lanes)]
    for number, (name, found) in enumerate(pairs.items(), 1):
        own = recipe.pairs[name]
        lanes = _lanes(recipe, found, _pair_form(form, own), own.batch_size, own.shards_per_block, number, ranks)
        sources.append(Source(name, own.weight, lanes))
    return Mixture(sources, take_turns=recipe.training.take_turns)


def _pair_form(form: SampleForm, pairs: PairsRecipe) -> SampleForm:
    """A window of a pair: its one image, then its text, which attends to the image (N = 1 in the paper)."""
    return replace(
        form,
        tokens=pairs.tokens,
        images=1,
        p_next=0.0,
        start_at_image=True,
        leading_space=pairs.leading_space,
        flip=pairs.flip,
        colour=pairs.colour,
    )


def _lanes(
    recipe: Recipe,
    reader: SampleReader,
    form: SampleForm,
    batch_size: int,
    shards_per_block: int,
    number: int,
    ranks: Ranks,
) -> LaneDataset:
    """Each source draws from a seed of its own; the first from the recipe's."""
    return LaneDataset(
        reader,
        SampleOrder(reader.shard_sizes, recipe.seed + number, shards_per_block),
        form,
        batch_size=batch_size,
        lanes=rank_lanes(batch_size, ranks.rank, ranks.count),
        micro_batch_size=recipe.training.micro_batch_size,
    )
