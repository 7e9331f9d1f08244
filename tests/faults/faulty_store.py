"""A file system that fails: the local one under the protocol `faulty`, with one call of all processes' that fails.

The folder named in M3W_FAULTY_STORE holds `plan.json`, what is to fail, and `count`, the calls so far. A call is one
listing, look, making, moving or removing, one opening or reading of a file, or one upload: what is written reaches the
store when its file is closed.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

FOLDER = "M3W_FAULTY_STORE"
PROTOCOL = "faulty"
ENTRY_POINTS = "[fsspec.specs]\nfaulty = tests.faults.faulty_store:FaultyFileSystem\n"


def plan(folder: Path, **what: Any) -> None:
    """`fail=k`: the k-th call from now; `after=True`: once it has happened; `full=k`: all writing from the k-th call."""
    folder.mkdir(exist_ok=True)
    (folder / "count").write_text("0")
    (folder / "plan.json").write_text(json.dumps(what))


def calls(folder: Path) -> int:
    return int((folder / "count").read_text())


def announce(folder: Path) -> None:
    """Make `folder`, put on PYTHONPATH, tell fsspec of the protocol in every process."""
    described = folder / "faulty_store-0.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-store\nVersion: 0.0\n")
    (described / "entry_points.txt").write_text(ENTRY_POINTS)


def register() -> None:
    fsspec.register_implementation(PROTOCOL, FaultyFileSystem, clobber=True)


def _call(does: Callable[[], Any], *, writes: bool = False) -> Any:
    """Count the call, and let it fail if it is its turn."""
    folder = Path(os.environ[FOLDER])
    what = json.loads((folder / "plan.json").read_text())
    with (folder / "count").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        number = int(file.read()) + 1
        file.seek(0)
        file.write(str(number))
    if writes and number >= what.get("full", number + 1):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    chosen = number == what.get("fail")
    if chosen and not what.get("after"):
        raise OSError(errno.EIO, "injected before the call")
    result = does()
    if chosen:
        raise OSError(errno.EIO, "injected after the call")
    return result


class FaultyFileSystem(LocalFileSystem):
    protocol = PROTOCOL

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix(f"{PROTOCOL}://"))

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        return _call(lambda: super(FaultyFileSystem, self).ls(path, detail=detail, **options))

    def info(self, path: str, **options: Any) -> Any:
        return _call(lambda: super(FaultyFileSystem, self).info(path, **options))

    def makedirs(self, path: str, exist_ok: bool = False) -> Any:
        return _call(lambda: super(FaultyFileSystem, self).makedirs(path, exist_ok=exist_ok), writes=True)

    def mv(self, path1: str, path2: str, **options: Any) -> Any:
        return _call(lambda: super(FaultyFileSystem, self).mv(path1, path2, **options), writes=True)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> Any:
        return _call(lambda: super(FaultyFileSystem, self).rm(path, recursive=recursive, maxdepth=maxdepth))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        if "w" in mode:
            return _call(lambda: _Upload(path), writes=True)
        return _Reading(_call(lambda: super(FaultyFileSystem, self)._open(path, mode, block_size, **options)))


class _Upload(io.BytesIO):
    """A file being written, which reaches the store when it is closed, as an object does."""

    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            _call(lambda: Path(self._path).write_bytes(content), writes=True)


class _Reading:
    def __init__(self, file: Any):
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, *args: Any) -> Any:
        return _call(lambda: self._file.read(*args))

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
