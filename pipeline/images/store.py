"""The image store: tars of a run whose members are named by the SHA-256 of their bytes."""

from __future__ import annotations

import io
import tarfile
from types import TracebackType
from typing import Any, Self, cast

from pipeline.attempt import OutputFile
from schemas.sequence import SUFFIX_OF_MIME

BLOCK = 512
"""Bytes of a tar header, and what contents are padded to."""


class StoreWriter:
    """Writes one tar of the store; each image once, whatever number of URLs gave it."""

    def __init__(self, file: OutputFile, name: str):
        self._file, self._name = file, name
        self._tar = tarfile.TarFile(fileobj=cast(Any, file), mode="w", format=tarfile.USTAR_FORMAT)
        self._places: dict[str, dict[str, Any]] = {}

    def add(self, sha256: str, mime: str, content: bytes) -> dict[str, Any]:
        """Store `content`; its place, as `pipeline.stages.tables.PLACE_TYPE` has it."""
        if sha256 not in self._places:
            member = tarfile.TarInfo(f"{sha256}.{SUFFIX_OF_MIME[mime]}")
            member.size = len(content)
            offset = self._tar.offset + BLOCK
            self._tar.addfile(member, io.BytesIO(content))
            self._places[sha256] = {"path": self._name, "offset": offset, "size": len(content)}
            self._file.rows += 1
        return self._places[sha256]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tar.close()
