"""The image store: tars of a run whose members are named by the SHA-256 of their bytes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, BinaryIO, Self

from m3w.pipeline.engine.attempt import OutputFile
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.tar import TarWriter
from m3w.schemas.sequence import SUFFIX_OF_MIME

OPEN_STORES = 64
"""Tars of the image store that one task keeps open."""


class StoreWriter(TarWriter):
    """Writes one tar of the store; each image once, however many URLs led to it."""

    def __init__(self, file: OutputFile, name: str):
        super().__init__(file)
        self._file, self._name = file, name
        self._locations: dict[str, dict[str, Any]] = {}

    def store(self, sha256: str, mime: str, content: bytes) -> dict[str, Any]:
        """Store `content`; returns its location, a value of `m3w.pipeline.tables.PLACE_TYPE`."""
        if sha256 not in self._locations:
            offset = self.add(f"{sha256}.{SUFFIX_OF_MIME[mime]}", content)
            self._locations[sha256] = {"path": self._name, "offset": offset, "size": len(content)}
            self._file.rows += 1
        return self._locations[sha256]


class StoreReader:
    """Reads images by their location in the store."""

    def __init__(self, run: Run):
        self._run, self._files = run, dict[str, BinaryIO]()
        self._stack = ExitStack()

    def read(self, location: dict[str, Any]) -> bytes:
        file = self._files.get(location["path"]) or self._open(location["path"])
        file.seek(location["offset"])
        content = file.read(location["size"])
        assert len(content) == location["size"], f"{location} is beyond the end of the image store"
        return content

    def _open(self, path: str) -> BinaryIO:
        if len(self._files) >= OPEN_STORES:
            self._stack.close()
            self._files.clear()
        self._files[path] = self._stack.enter_context(self._run.fs.open(self._run.full(path), "rb"))
        return self._files[path]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
