"""A filesystem that counts its operations: `counted:///a/path` is the local `/a/path`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

asked: Counter[tuple[str, str]] = Counter()
"""The number of calls by operation and path, in this process."""


class CountedFileSystem(LocalFileSystem):
    """Counts listings, reads, status calls, writes, moves and removals, but not the creation of folders."""

    protocol = "counted"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return super()._strip_protocol(str(path).removeprefix("counted://"))

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
        asked["list", path] += 1
        return super().ls(path, detail=detail, **kwargs)

    def info(self, path: str, **kwargs: Any) -> Any:
        asked["look", str(path)] += 1
        return super().info(path, **kwargs)

    def exists(self, path: str, **kwargs: Any) -> bool:
        asked["look", path] += 1
        return bool(super().exists(path, **kwargs))

    def isdir(self, path: str) -> bool:
        asked["look", path] += 1
        return bool(super().isdir(path))

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        asked["read" if "r" in mode else "write", path] += 1
        return super().open(path, mode, **kwargs)

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        asked["move", path2] += 1
        super().mv(path1, path2, **kwargs)

    def rm(self, path: Any, *args: Any, **kwargs: Any) -> None:
        asked["remove", str(path)] += 1
        super().rm(path, *args, **kwargs)


def register() -> None:
    """Register the protocol in this process."""
    fsspec.register_implementation("counted", CountedFileSystem, clobber=True)


def operations() -> dict[str, int]:
    """The number of calls of each operation since the last call of this function."""
    found: Counter[str] = Counter()
    for (operation, _), times in asked.items():
        found[operation] += times
    asked.clear()
    return dict(sorted(found.items()))


def most(operation: str, under: str) -> int:
    """The highest number of calls of the operation on one path under a folder."""
    return max((times for (name, path), times in asked.items() if name == operation and under in path), default=0)
