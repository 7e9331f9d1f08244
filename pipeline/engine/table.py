"""Tables of a run: the files that one stage writes and later stages read, a file (or a few) for each part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Access = Literal["part", "shared", "required", "by_path"]


@dataclass(frozen=True)
class Table:
    """Files of one form in one folder of the run, named after the part that wrote them."""

    folder: str
    """From the run's folder: `documents/kept`."""
    schema: pa.Schema | None = field(default=None, compare=False)
    """Of its rows; None for files that are not Parquet, such as tars."""
    suffix: str = ".parquet"
    by_stage: bool = False
    """Several stages write it, each into a folder of its own: `drops/filter/PART.parquet`."""

    def path(self, part: str, stage: str = "") -> str:
        """The file of a part, from the run's folder."""
        return f"{self.folder}/{stage}/{part}{self.suffix}" if self.by_stage else f"{self.folder}/{part}{self.suffix}"

    def holds(self, path: str) -> bool:
        """Whether `path` is the path of one of its files."""
        folder, _, name = path.rpartition("/")
        return (folder.rpartition("/")[0] if self.by_stage else folder) == self.folder and name.endswith(self.suffix)

    @property
    def optional(self) -> Input:
        """Read where the recipe has a stage that writes it."""
        return Input(self, optional=True)

    @property
    def shared(self) -> Input:
        """All of its files are read by every part, where the recipe has a stage that writes it."""
        return Input(self, "shared", optional=True)

    @property
    def required(self) -> Input:
        """The part is passed over where this table has no file of it; its content is not read."""
        return Input(self, "required")

    @property
    def by_path(self) -> Input:
        """Files are opened by paths that stand in other tables; what they hold is named there by its hash."""
        return Input(self, "by_path", optional=True)


@dataclass(frozen=True)
class Input:
    """A table as a stage reads it."""

    table: Table
    access: Access = "part"
    optional: bool = False


def as_input(declared: Table | Input) -> Input:
    return declared if isinstance(declared, Input) else Input(declared)
