"""The recipe's datasets, opened, as the sources of a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat, rank_batch_slots
from m3w.trainer.data.cache import ShardCache
from m3w.trainer.data.documents import DocumentReader
from m3w.trainer.data.files import CachedFiles, Files
from m3w.trainer.data.mixture import INTERLEAVED, Mixture, Source
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.packing import Packing
from m3w.trainer.data.pairs import VIDEO_SUFFIXES, PairReader
from m3w.trainer.data.sequences import DatasetReader, SampleReader, SequenceReader
from m3w.trainer.data.video import VideoFormat
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import CacheRecipe, InterleavedRecipe, PairsRecipe, Recipe, VideosRecipe, WindowsRecipe


@dataclass(frozen=True, slots=True)
class FurtherDataset:
    """A dataset beside the first."""

    key: str
    """Its key in the recipe, such as `pairs.laion`."""
    recipe: InterleavedRecipe | PairsRecipe
    reader: SampleReader


def open_dataset(
    data: WindowsRecipe, split: str, indexes: Path, ranks: Ranks, cache: CacheRecipe | None
) -> DatasetReader:
    """A split of an interleaved dataset. With `read: documents` the first rank writes the missing indexes."""
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
    """The recipe's further datasets. The first rank writes the missing indexes and checks the shards."""
    opened = []
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
        opened.append(FurtherDataset(key, own, reader))
    return opened


def _open_pairs(own: PairsRecipe, indexes: Path, ranks: Ranks, cache: CacheRecipe | None) -> PairReader:
    files = _files(cache, own.shards_per_block)
    suffixes = {"suffixes": VIDEO_SUFFIXES} if isinstance(own, VideosRecipe) else {}
    reader = PairReader(own.shards, indexes, files, **suffixes)
    if ranks.first:
        reader.make_indexes()
    ranks.wait()
    return reader


def check_size(key: str, reader: SampleReader, batch_size: int) -> None:
    """Raises ValueError if the dataset at `key` of the recipe has fewer samples than a batch."""
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
    recipe: Recipe, reader: SampleReader, further: Sequence[FurtherDataset], sample_format: SampleFormat, ranks: Ranks
) -> Mixture:
    """The first dataset, of which `sample_format` is, and the further ones, each with this rank's batch slots."""
    first = _dataset(recipe, reader, sample_format, recipe.data, recipe.training.batch_size, 0, ranks)
    sources = [Source(INTERLEAVED, recipe.data.weight, first)]
    for number, opened in enumerate(further, 1):
        own = opened.recipe
        dataset = _dataset(recipe, opened.reader, _own_format(sample_format, own), own, own.batch_size, number, ranks)
        sources.append(Source(opened.key.partition(".")[2], own.weight, dataset))
    return Mixture(sources, take_turns=recipe.training.take_turns)


def _own_format(sample_format: SampleFormat, own: InterleavedRecipe | PairsRecipe) -> SampleFormat:
    """The format of a further dataset. A pair is its image, then its text, which attends to it (N = 1 in the paper)."""
    sample_format = replace(sample_format, tokens=own.tokens, flip=own.flip, colour=own.colour)
    if isinstance(own, InterleavedRecipe):
        return replace(sample_format, images=own.images, p_next=own.p_next, start_at_image=own.start_at_image)
    video = VideoFormat(frames=own.frames, per_second=own.frames_per_second) if isinstance(own, VideosRecipe) else None
    return replace(
        sample_format, images=1, p_next=0.0, start_at_image=True, leading_space=own.leading_space, video=video
    )


def _dataset(
    recipe: Recipe,
    reader: SampleReader,
    sample_format: SampleFormat,
    own: WindowsRecipe | PairsRecipe,
    batch_size: int,
    number: int,
    ranks: Ranks,
) -> BatchSlotDataset:
    """This rank's batch slots of source number `number`, whose seed is the recipe's plus that number."""
    packing = own.packing
    return BatchSlotDataset(
        reader,
        SampleOrder(reader.shard_sizes, recipe.seed + number, own.shards_per_block),
        sample_format,
        batch_size=batch_size,
        batch_slots=rank_batch_slots(batch_size, ranks.rank, ranks.count),
        micro_batch_size=recipe.training.micro_batch_size,
        packing=None if packing is None else Packing(documents=packing.documents, tokens=packing.tokens),
    )
