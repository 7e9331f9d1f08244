"""Tars whose bytes depend on their contents alone, with each member's place.

By the standard library's tarfile: `webdataset.TarWriter` writes the same bytes, but importing webdataset imports torch,
which would cost every worker 2 s and 200 MiB.
"""

from __future__ import annotations

import io
import tarfile
from types import TracebackType
from typing import Any, Self, cast

from m3w.pipeline.engine.attempt import OutputFile

ONE_PIECE = 2**24
"""Bytes of a member that are written at once, not by 16 KiB."""


class TarWriter:
    """Members without owner, clock or permissions that could differ from one machine to the next."""

    def __init__(self, file: OutputFile):
        self._tar = tarfile.TarFile(
            fileobj=cast(Any, file), mode="w", format=tarfile.USTAR_FORMAT, copybufsize=ONE_PIECE
        )

    @property
    def end(self) -> int:
        """Bytes written so far: where the next member's header begins."""
        return self._tar.offset

    def add(self, name: str, content: bytes) -> int:
        """Append a member; the offset of its content in the tar."""
        member = tarfile.TarInfo(name)
        member.size = len(content)
        offset = self.end + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(content))
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tar.close()
