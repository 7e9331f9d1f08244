"""The recipe's datasets, opened, as the sources of a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from m3w.trainer.data.batch_slots import LaneDataset, SampleForm, rank_lanes
from m3w.trainer.data.cache import ShardCache
from m3w.trainer.data.documents import DocumentReader
from m3w.trainer.data.files import CachedFiles, Files
from m3w.trainer.data.mixture import INTERLEAVED, Mixture, Source
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.packing import Packing
from m3w.trainer.data.pairs import VIDEO_SUFFIXES, PairReader
from m3w.trainer.data.sequences import DatasetReader, SampleReader, SequenceReader
from m3w.trainer.data.video import VideoForm
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import CacheRecipe, InterleavedRecipe, PairsRecipe, Recipe, VideosRecipe, WindowsRecipe


@dataclass(frozen=True, slots=True)
class FurtherDataset:
    """One beside the first."""

    key: str
    """Its place in the recipe: `pairs.laion`."""
    recipe: InterleavedRecipe | PairsRecipe
    reader: SampleReader


def open_dataset(
    data: WindowsRecipe, split: str, indexes: Path, ranks: Ranks, cache: CacheRecipe | None
) -> DatasetReader:
    """The interleaved dataset's split; the first rank indexes documents that have no index yet."""
    files = _files(cache, data.shards_per_block)
    if data.read == "sequences":
        return SequenceReader(data.dataset, split, files)
    reader = DocumentReader(
        data.dataset,
        split,
        indexes,
        images_per_sequence=data.images_per_sequence,
        groups_in_memory=data.shards_per_block,
        files=files,
    )
    if ranks.first:
        reader.make_indexes()
    ranks.wait()
    return reader


def open_further(recipe: Recipe, indexes: Path, ranks: Ranks) -> list[FurtherDataset]:
    """The recipe's further datasets; the first rank indexes tars that have no index yet and checks shards."""
    found = []
    for key, own in recipe.further.items():
        folder = indexes / key.partition(".")[2]
        reader: SampleReader
        if isinstance(own, InterleavedRecipe):
            reader = dataset = open_dataset(own, "train", folder, ranks, recipe.data.cache)
            if ranks.first:
                dataset.check_shards(contents=own.check == "contents")
        else:
            reader = _open_pairs(own, folder, ranks, recipe.data.cache)
        check_size(key, reader, own.batch_size)
        found.append(FurtherDataset(key, own, reader))
    return found


def _open_pairs(own: PairsRecipe, indexes: Path, ranks: Ranks, cache: CacheRecipe | None) -> PairReader:
    files = _files(cache, own.shards_per_block)
    suffixes = {"suffixes": VIDEO_SUFFIXES} if isinstance(own, VideosRecipe) else {}
    reader = PairReader(own.shards, indexes, files, **suffixes)
    if ranks.first:
        reader.make_indexes()
    ranks.wait()
    return reader


def check_size(key: str, reader: SampleReader, batch_size: int) -> None:
    """Raises ValueError if the dataset has fewer samples than a batch."""
    samples = sum(reader.shard_sizes)
    if samples < batch_size:
        raise ValueError(
            f"{reader.folder} has {samples} training samples, fewer than a batch of {batch_size}, so a batch would "
            f"hold a sample twice; set {key}.batch_size to {samples} or less, or give a larger dataset"
        )


def _files(cache: CacheRecipe | None, shards_per_block: int) -> Files:
    if cache is None:
        return Files()
    return CachedFiles(ShardCache(Path(cache.folder), round(cache.gib * 2**30)), open_shards=shards_per_block)


def make_mixture(
    recipe: Recipe, reader: SampleReader, further: Sequence[FurtherDataset], form: SampleForm, ranks: Ranks
) -> Mixture:
    """The first dataset and the further ones, each with this rank's lanes. `form` is that of the first's windows."""
    lanes = _lanes(recipe, reader, form, recipe.data, recipe.training.batch_size, 0, ranks)
    sources = [Source(INTERLEAVED, recipe.data.weight, lanes)]
    for number, dataset in enumerate(further, 1):
        own = dataset.recipe
        lanes = _lanes(recipe, dataset.reader, _form(form, own), own, own.batch_size, number, ranks)
        sources.append(Source(dataset.key.partition(".")[2], own.weight, lanes))
    return Mixture(sources, take_turns=recipe.training.take_turns)


def _form(form: SampleForm, own: InterleavedRecipe | PairsRecipe) -> SampleForm:
    """Windows as `own` says. Of a pair: its one image, then its text, which attends to it (N = 1 in the paper)."""
    form = replace(form, tokens=own.tokens, flip=own.flip, colour=own.colour)
    if isinstance(own, InterleavedRecipe):
        return replace(form, images=own.images, p_next=own.p_next, start_at_image=own.start_at_image)
    video = VideoForm(frames=own.frames, per_second=own.frames_per_second) if isinstance(own, VideosRecipe) else None
    return replace(form, images=1, p_next=0.0, start_at_image=True, leading_space=own.leading_space, video=video)


def _lanes(
    recipe: Recipe,
    reader: SampleReader,
    form: SampleForm,
    own: WindowsRecipe | PairsRecipe,
    batch_size: int,
    number: int,
    ranks: Ranks,
) -> LaneDataset:
    """Each source draws from a seed of its own; the first from the recipe's."""
    packing = own.packing
    return LaneDataset(
        reader,
        SampleOrder(reader.shard_sizes, recipe.seed + number, own.shards_per_block),
        form,
        batch_size=batch_size,
        lanes=rank_lanes(batch_size, ranks.rank, ranks.count),
        micro_batch_size=recipe.training.micro_batch_size,
        packing=None if packing is None else Packing(documents=packing.documents, tokens=packing.tokens),
    )
