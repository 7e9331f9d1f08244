"""The image store: tars of a run whose members are named by the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, BinaryIO, Self

from m3w.pipeline.engine.output_files import OutputFile, TarWriter
from m3w.schemas.sequence import SUFFIX_OF_MIME

OPEN_STORES = 64
"""Tars of the image store that one task holds open."""


class StoreWriter(TarWriter):
    """Writes one tar of the store; each image once, whatever number of URLs gave it."""

    def __init__(self, file: OutputFile, name: str):
        super().__init__(file)
        self._file, self._name = file, name
        self._locations: dict[str, dict[str, Any]] = {}

    def store(self, sha256: str, mime: str, content: bytes) -> dict[str, Any]:
        """Store `content`; its location, a `m3w.pipeline.tables.STORE_LOCATION`."""
        if sha256 not in self._locations:
            offset = self.add(f"{sha256}.{SUFFIX_OF_MIME[mime]}", content)
            self._locations[sha256] = {"path": self._name, "offset": offset, "size": len(content)}
            self._file.rows += 1
        return self._locations[sha256]


class StoreReader:
    """Reads images by their location."""

    def __init__(self, open_tar: Callable[[str], BinaryIO]):
        """`open_tar` opens a tar of the store by its path in the run."""
        self._open_tar, self._files = open_tar, dict[str, BinaryIO]()
        self._stack = ExitStack()

    def read(self, location: dict[str, Any]) -> bytes:
        """The bytes at a `m3w.pipeline.tables.STORE_LOCATION`."""
        file = self._files.get(location["path"]) or self._open(location["path"])
        file.seek(location["offset"])
        content = file.read(location["size"])
        assert len(content) == location["size"], f"{location} lies behind the end of the image store"
        return content

    def _open(self, path: str) -> BinaryIO:
        if len(self._files) >= OPEN_STORES:
            self._stack.close()
            self._files.clear()
        self._files[path] = self._stack.enter_context(self._open_tar(path))
        return self._files[path]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
