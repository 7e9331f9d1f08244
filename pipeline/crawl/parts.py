"""Parts of a crawl: one for each archive file, or for each range of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from m3w.pipeline.crawl.paths import archive_files, matches
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file

MIB = 2**20
SIZE_REQUESTS = 32
"""At a time. A store answers in about 50 ms, so the sizes of 90,000 files take two to three minutes."""


@dataclass(frozen=True, kw_only=True)
class ArchivePart:
    """An archive file, or those of its members that begin in a range of bytes."""

    path: str
    size: int | None
    """Bytes of the file; None if unknown."""
    start: int = 0
    end: int | None = None
    number: int | None = None
    """Number among the file's parts; None for a whole file."""

    @property
    def name(self) -> str:
        """Made from the file's name and a hash of its path, so that it does not depend on other files."""
        stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in PurePath(self.path).name.partition(".")[0])
        name = f"{stem[:40]}-{hashlib.sha256(self.path.encode()).hexdigest()[:12]}"
        return name if self.number is None else f"{name}-{self.number:05d}"

    @property
    def input(self) -> str:
        """The input as the ledger records it."""
        size = "" if self.size is None else f" of {self.size} bytes"
        members = "" if self.number is None else f", members from byte {self.start} to {self.end}"
        return f"{self.path}{size}{members}"

    @property
    def params(self) -> dict[str, Any]:
        whole = {"path": self.path}
        return whole if self.number is None else {**whole, "start": self.start, "end": self.end}


def archive_parts(paths: list[str], prefix: str | None, part_mib: int | None, storage: Storage) -> list[ArchivePart]:
    """The parts of all files that `crawl.paths` names, in the order of their paths. Raises `InputError`."""
    files = archive_files(paths, prefix=prefix, storage=storage)
    if part_mib is None:
        return [ArchivePart(path=path, size=size) for path, size in files.items()]
    sizes = _known_sizes(files, storage)
    return [part for path, size in sizes.items() for part in _ranges(path, size, part_mib * MIB)]


def index_files(paths: list[str], storage: Storage) -> list[ArchivePart]:
    """The files of `crawl.index.paths`, each a part, in the order of their paths. Raises `InputError`."""
    files: dict[str, int | None] = {}
    for pattern in paths:
        files.update(matches(pattern, storage, "crawl.index.paths"))
    return [ArchivePart(path=path, size=size) for path, size in sorted(files.items())]


def _ranges(path: str, size: int | None, part_bytes: int) -> Iterator[ArchivePart]:
    """Ranges of equal size, the last without an end. Only a gzip file can have more than one."""
    count = 1 if size is None or not path.endswith(".gz") else -(-size // part_bytes)
    if count <= 1 or size is None:
        yield ArchivePart(path=path, size=size)
        return
    bounds = [size * number // count for number in range(count)]
    for number, (start, end) in enumerate(zip(bounds, [*bounds[1:], None], strict=True)):
        yield ArchivePart(path=path, size=size, start=start, end=end, number=number)


def _known_sizes(files: dict[str, int | None], storage: Storage) -> dict[str, int | None]:
    """`files` with the sizes of those from listings, too. A missing file keeps None; reading its part will fail."""

    def size(path: str) -> int | None:
        try:
            with open_file(path, storage) as file:
                return file.seek(0, 2)
        except OSError:
            return None

    unknown = [path for path, known in files.items() if known is None and "::" not in path]
    with ThreadPoolExecutor(SIZE_REQUESTS) as pool:
        return {**files, **dict(zip(unknown, pool.map(size, unknown), strict=True))}
