"""`dataset.json`: the contents of a dataset, shard by shard, so that readers can check what they read.

The manifest has neither times nor machines in it: the same crawl and recipe give the same bytes.
"""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 1
"""Increased when a reader of the old layout could misread the new one."""


class DatasetError(ValueError):
    """A dataset that cannot be read or does not match its `dataset.json`."""


class ManifestError(DatasetError):
    """A `dataset.json` that this version cannot read."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentShard(_Entry):
    """One Parquet file of documents with their images' bytes."""

    path: str
    """Relative to the dataset's folder, like all paths here."""
    sha256: str
    bytes: int
    documents: int
    images: int
    """Images with bytes, that is, with status `ok`."""


class SequenceShard(_Entry):
    """One tar of sequences and its index."""

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
    """The contents of `dataset.json`."""

    format_version: int = FORMAT_VERSION
    m3w_version: str
    recipe_sha256: str
    """Hash of the frozen `recipe.yaml`, without keys that cannot change the result (workers, paths of the run)."""
    splits: dict[str, Split]
    """`train` and `validation`; a split without documents is not listed."""
    counts: dict[str, dict[str, int]]
    """Counters by stage, summed over parts: the funnel."""

    def to_json(self) -> str:
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, path: str = "dataset.json") -> Self:
        """The manifest in `text`. Raises `ManifestError`, which names `path` and the problem."""
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise ManifestError(f"{path} is not JSON ({error}); build the dataset again") from error
        version = fields.get("format_version") if isinstance(fields, dict) else None
        if version != FORMAT_VERSION:
            raise ManifestError(
                f"{path} has format version {version}, but this m3w reads {FORMAT_VERSION}; "
                "read it with the m3w that wrote it, or build it again"
            )
        try:
            return cls.model_validate(fields)
        except ValueError as error:
            raise ManifestError(f"{path} does not match its schema: {error}; build the dataset again") from error
