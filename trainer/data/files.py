"""Byte ranges of a dataset's files, read remotely or from the cache, which prefetches the shards that come next."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import fsspec

from m3w.schemas.dataset import ShardFile
from m3w.trainer.data.cache import AlteredShardError, ShardCache

OPEN_SHARDS = 16
"""Cached shards that a process keeps open, and so protects from removal: those of a block."""


class Files:
    """Reads files from their own store."""

    def read(self, file: ShardFile, start: int, size: int) -> bytes:
        """`size` bytes from `start` on."""
        files, path = fsspec.core.url_to_fs(file.path)
        content: bytes = files.cat_file(path, start=start, end=start + size)
        return content

    def open(self, file: ShardFile) -> BinaryIO:
        """The file, opened for random access."""
        files, path = fsspec.core.url_to_fs(file.path)
        opened: BinaryIO = files.open(path, "rb")
        return opened

    def expect(self, files: Sequence[ShardFile]) -> None:
        """Hint: the files that will be read next, soonest first."""


@dataclass
class CachedFiles(Files):
    """Reads through a cache. A shard that does not fit is read from its own store."""

    cache: ShardCache
    open_shards: int = OPEN_SHARDS
    _process: int = 0
    _handles: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _expected: list[ShardFile] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def read(self, file: ShardFile, start: int, size: int) -> bytes:
        handle = self._handle(file)
        return super().read(file, start, size) if handle is None else os.pread(handle, size, start)

    def open(self, file: ShardFile) -> BinaryIO:
        handle = self._handle(file)
        if handle is None:
            return super().open(file)
        return (self.cache.folder / file.name).open("rb")

    def expect(self, files: Sequence[ShardFile]) -> None:
        self._own()
        if files != self._expected:
            self._expected = list(files)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._fetch_expected, daemon=True)
                self._thread.start()

    def _handle(self, file: ShardFile) -> int | None:
        """A descriptor of the cached shard, if it fits; the least recently used ones are closed."""
        self._own()
        handle = self._handles.pop(file.name, None)
        if handle is None:
            handle = self.cache.fetch(file)
        if handle is not None:
            self._handles[file.name] = handle
            while len(self._handles) > self.open_shards:
                os.close(self._handles.popitem(last=False)[1])
        return handle

    def _fetch_expected(self) -> None:
        """Fetches as many as fit into the cache together, so that none evicts another."""
        expected, total, index = self._expected, 0, 0
        while index < len(expected):
            file, index = expected[index], index + 1
            total += file.bytes
            if total > self.cache.max_bytes:
                return
            try:
                handle = self.cache.fetch(file, wait=False)
            except (OSError, AlteredShardError):
                return  # the reader of this shard gets the same error and reports it
            if handle is not None:
                os.close(handle)
            if expected is not self._expected:
                expected, total, index = self._expected, 0, 0

    def _own(self) -> None:
        """Resets descriptors and thread in a forked loader worker, which must not share those of its parent."""
        if self._process != os.getpid():
            for handle in self._handles.values():
                os.close(handle)
            self._process, self._handles, self._thread, self._expected = os.getpid(), OrderedDict(), None, []
