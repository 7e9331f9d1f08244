"""The image store: tars of a run whose members are named by the SHA-256 of their bytes."""

from __future__ import annotations

from typing import Any

from pipeline.attempt import OutputFile
from pipeline.tar import TarWriter
from schemas.sequence import SUFFIX_OF_MIME


class StoreWriter(TarWriter):
    """Writes one tar of the store; each image once, whatever number of URLs gave it."""

    def __init__(self, file: OutputFile, name: str):
        super().__init__(file)
        self._file, self._name = file, name
        self._places: dict[str, dict[str, Any]] = {}

    def store(self, sha256: str, mime: str, content: bytes) -> dict[str, Any]:
        """Store `content`; its place, as `pipeline.stages.tables.PLACE_TYPE` has it."""
        if sha256 not in self._places:
            offset = self.add(f"{sha256}.{SUFFIX_OF_MIME[mime]}", content)
            self._places[sha256] = {"path": self._name, "offset": offset, "size": len(content)}
            self._file.rows += 1
        return self._places[sha256]
