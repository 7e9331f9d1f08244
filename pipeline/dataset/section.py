"""What a recipe says on shards."""

from __future__ import annotations

from pydantic import Field

from m3w.recipes.section import Section


class Dataset(Section):
    """Documents and images to shards."""

    name: str = "m3w"
    shard_mib: int = Field(512, ge=1)
    images_per_sequence: int = Field(5, ge=1, le=5)
    """N of the paper."""
    validation_fraction: float = Field(0.05, ge=0, lt=1)
    """Share of hosts whose pages go to `validation`, by a hash of the host's name."""
