"""The recipe's section `dataset`: shards, sequences and the split."""

from __future__ import annotations

from pydantic import Field

from m3w.recipes.section import Section


class Dataset(Section):
    """How documents and images are written to shards."""

    name: str = "m3w"
    """The dataset's name in its card."""
    shard_mib: int = Field(512, ge=1)
    """Approximate size of a shard."""
    images_per_sequence: int = Field(5, ge=1, le=5)
    """The most images in a sequence; N in the paper."""
    validation_fraction: float = Field(0.05, ge=0, lt=1)
    """Share of the hosts whose pages go to `validation`, chosen by a hash of the host's name."""
