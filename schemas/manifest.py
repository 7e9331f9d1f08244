"""`dataset.json`: what a dataset holds, shard by shard, so that any reader can check what it reads.

The manifest has no clock and no machine in it: the same crawl and recipe give the same bytes.
"""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 1
"""Raised when a reader of the old layout could misread the new one."""


class DatasetError(ValueError):
    """A dataset that cannot be read, or is not what its `dataset.json` says."""


class ManifestError(DatasetError):
    """A `dataset.json` that this version cannot read."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentShard(_Entry):
    """One Parquet file of documents with their images' bytes."""

    path: str
    """Relative to the dataset's folder, as all paths here."""
    sha256: str
    bytes: int
    documents: int
    images: int
    """With bytes: of status `ok`."""


class SequenceShard(_Entry):
    """One tar of sequences and the index beside it."""

    path: str
    sha256: str
    bytes: int
    index: str
    index_sha256: str
    samples: int
    images: int


class Split(_Entry):
    documents: list[DocumentShard] = Field(default_factory=list)
    sequences: list[SequenceShard] = Field(default_factory=list)


class Manifest(_Entry):
    """The whole of `dataset.json`."""

    format_version: int = FORMAT_VERSION
    m3w_version: str
    recipe_sha256: str
    """Of the run's frozen `recipe.yaml`, without what cannot change the result (workers, paths of the run)."""
    splits: dict[str, Split]
    """`train` and `validation`; a split without documents is not listed."""
    counts: dict[str, dict[str, int]]
    """Counters by stage, summed over parts: the funnel."""

    def to_json(self) -> str:
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, path: str = "dataset.json") -> Self:
        """The manifest in `text`; raises `ManifestError` that names `path` and what is wrong."""
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise ManifestError(f"{path} is not JSON ({error}); build the dataset again") from error
        version = fields.get("format_version") if isinstance(fields, dict) else None
        if version != FORMAT_VERSION:
            raise ManifestError(
                f"{path} has format version {version}, this m3w reads {FORMAT_VERSION}; "
                "read it with the m3w that wrote it, or build it again"
            )
        try:
            return cls.model_validate(fields)
        except ValueError as error:
            raise ManifestError(f"{path} does not fit its contract: {error}") from error
