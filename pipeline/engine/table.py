"""Tables of a run: the files that one stage writes and later stages read, one (or a few) per part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Access = Literal["part", "shared", "required", "by_path"]


@dataclass(frozen=True)
class Table:
    """Files of one format in one folder of the run, named after the part that wrote them."""

    folder: str
    """Relative to the run: `documents/kept`."""
    schema: pa.Schema | None = field(default=None, compare=False)
    """The schema of its rows; None for files that are not Parquet, such as tars."""
    suffix: str = ".parquet"
    by_stage: bool = False
    """Several stages write it, each into its own folder: `drops/filter/PART.parquet`."""

    def path(self, part: str, stage: str = "") -> str:
        """The path of a part's file, relative to the run."""
        return f"{self.folder}/{stage}/{part}{self.suffix}" if self.by_stage else f"{self.folder}/{part}{self.suffix}"

    def holds(self, path: str) -> bool:
        """Whether `path` is the path of one of its files."""
        folder, _, name = path.rpartition("/")
        return (folder.rpartition("/")[0] if self.by_stage else folder) == self.folder and name.endswith(self.suffix)

    @property
    def optional(self) -> Input:
        """As an input that is read only if the recipe has a stage that writes it."""
        return Input(self, optional=True)

    @property
    def shared(self) -> Input:
        """As an input of which every part reads all files, if the recipe has a stage that writes it."""
        return Input(self, "shared", optional=True)

    @property
    def required(self) -> Input:
        """As a condition: a part without a file in this table is skipped; the file is not read."""
        return Input(self, "required")

    @property
    def by_path(self) -> Input:
        """As an input whose files are opened by paths in other tables, which also name the content by its hash."""
        return Input(self, "by_path", optional=True)


@dataclass(frozen=True)
class Input:
    """A table as a stage reads it."""

    table: Table
    access: Access = "part"
    optional: bool = False


def as_input(declared: Table | Input) -> Input:
    return declared if isinstance(declared, Input) else Input(declared)
