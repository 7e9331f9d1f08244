"""The order of samples: a function of (dataset, seed, position) alone.

A position counts the samples of a training from 0. Step s of a training with a global batch of B takes the positions
s * B ... s * B + B - 1, one for each batch slot. The order does not depend on ranks or workers, and a resume asks for a
later position: there is no state to save and nothing to replay.

Within an epoch the shards are shuffled and grouped in blocks of `shards_per_block`, and the samples of a block are
shuffled among themselves. So a reader needs a few shards at a time, whatever the dataset's size. The shuffle of a
block is a Feistel network (see `permute`): O(1) for one position, no table, and the same in every version of Python.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

_MASK_64 = 2**64 - 1
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class SampleAddress:
    """The number of a sample's shard in the manifest, and its row in the shard's index."""

    shard: int
    row: int


@dataclass(frozen=True)
class SampleOrder:
    """The order of the samples of shards with `shard_sizes` samples each, epoch after epoch."""

    shard_sizes: tuple[int, ...]
    seed: int
    shards_per_block: int = 16
    """Samples are shuffled within a block of so many shards."""

    @cached_property
    def epoch_samples(self) -> int:
        """Samples in one epoch: each sample once."""
        return sum(self.shard_sizes)

    def address(self, position: int) -> SampleAddress:
        """The sample at `position`, in O(log shards) once the layout of the epoch is known."""
        epoch, index = divmod(position, self.epoch_samples)
        layout = _lay_out(self.shard_sizes, self.seed, epoch, self.shards_per_block)
        block = bisect_right(layout.block_starts, index) - 1
        start, size = layout.block_starts[block], layout.block_sizes[block]
        shuffled = start + permute(index - start, size, mix(self.seed, epoch, block))
        shard = bisect_right(layout.shard_starts, shuffled) - 1
        return SampleAddress(layout.shards[shard], shuffled - layout.shard_starts[shard])

    def upcoming(self, position: int) -> tuple[int, ...]:
        """Shards of the block of `position` and of the block after it, in the order in which they are read."""
        epoch, index = divmod(position, self.epoch_samples)
        layout = _lay_out(self.shard_sizes, self.seed, epoch, self.shards_per_block)
        first = (bisect_right(layout.block_starts, index) - 1) * self.shards_per_block
        shards = layout.shards[first : first + 2 * self.shards_per_block]
        if first + self.shards_per_block >= len(layout.shards):
            following = _lay_out(self.shard_sizes, self.seed, epoch + 1, self.shards_per_block)
            shards = shards + following.shards[: self.shards_per_block]
        return tuple(dict.fromkeys(shards))

    def replacement(self, position: int, attempt: int) -> SampleAddress:
        """Replacement number `attempt`, from 1, of a sample at `position` that cannot be used.

        Drawn from the whole epoch by (seed, position, attempt), so that a slot's replacement depends on no other slot.
        The replacement is seen twice in this epoch.
        """
        drawn = mix(self.seed, position, attempt, 0x5EED) % self.epoch_samples
        return self.address(position - position % self.epoch_samples + drawn)


@dataclass(frozen=True, slots=True)
class _EpochLayout:
    shards: list[int]
    """Numbers of the shards that are not empty, shuffled."""
    shard_starts: list[int]
    block_starts: list[int]
    block_sizes: list[int]


@lru_cache(maxsize=4)
def _lay_out(shard_sizes: tuple[int, ...], seed: int, epoch: int, shards_per_block: int) -> _EpochLayout:
    filled = [shard for shard, size in enumerate(shard_sizes) if size]
    shards = sorted(filled, key=lambda shard: (mix(seed, epoch, shard, 0x5A4D), shard))
    sizes = [shard_sizes[shard] for shard in shards]
    block_sizes = [sum(sizes[i : i + shards_per_block]) for i in range(0, len(sizes), shards_per_block)]
    return _EpochLayout(
        shards=shards,
        shard_starts=_starts(sizes),
        block_starts=_starts(block_sizes),
        block_sizes=block_sizes,
    )


def _starts(sizes: list[int]) -> list[int]:
    return [0, *accumulate(sizes)][:-1]


def permute(index: int, size: int, key: int) -> int:
    """The value at `index` of the pseudorandom permutation of range(size) with this `key`.

    A Feistel network permutes the next larger range of an even number of bits. A value outside range(size) is permuted
    again until it falls inside, less than four times on average.
    """
    half = max(2, (max(size - 1, 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (mix(key, right, turn) & mask)
        index = left << half | right
        if index < size:
            return index


def mix(*values: int) -> int:
    """64 well-mixed bits of integers (splitmix64's finisher over their running sum)."""
    state = 0
    for value in values:
        state = (state + value + 0x9E3779B97F4A7C15) & _MASK_64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK_64
        state ^= state >> 31
    return state
