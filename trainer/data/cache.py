"""Shards on local disk: fetched whole, one behind the other, by whichever process needs one first.

The folder is shared by the ranks and loader workers of a machine, and by trainings. All that they must agree on is in
the file system, so that a process that is killed leaves nothing to repair:

* a shard is written to `.partial-NAME` under an exclusive lock, checked by length and SHA-256, then renamed: what has a
  name without the prefix is whole;
* who reads a shard holds a shared lock on it, and a locked shard is never removed;
* the bytes of the folder, with what is still on its way, stay within the bound: the shards not used for longest go.

Locks are flock's: the kernel drops them with their process.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from m3w.schemas.dataset import ShardFile

log = logging.getLogger(__name__)

PARTIAL = ".partial-"
ROOM_LOCK = ".room"
_BLOCK = 2**22
ATTEMPTS = 3
"""Downloads of one shard before its fault is taken for the shard's own."""


class AlteredShardError(ValueError):
    """A shard that is not what the dataset says it is."""


class ShardCache:
    """The shards in `folder`, at most `max_bytes` of them."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def held(self, file: ShardFile) -> int | None:
        """A descriptor of the cached shard, which keeps it there until it is closed; None if it is not there."""
        path = self.folder / file.name
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not _is_at(handle, path):  # removed, between the opening and the lock
            os.close(handle)
            return self.held(file)
        if os.fstat(handle).st_size != file.bytes:  # a disk that lost it in a crash
            path.unlink(missing_ok=True)
            os.close(handle)
            return None
        os.utime(handle)
        return handle

    def fetch(self, file: ShardFile, *, wait: bool = True) -> int | None:
        """As `held`, of a shard that is fetched if it is not there.

        None if there is no room for it beside shards in use or, without `wait`, another process is fetching it. Raises
        AlteredShardError if what comes is not what the dataset says.
        """
        while (handle := self.held(file)) is None:
            with self._partial(file, wait) as partial:
                if partial is None:
                    return None
                path = self.folder / f"{PARTIAL}{file.name}"
                if not _is_at(partial, path) or (self.folder / file.name).exists():
                    continue  # another process has just fetched it
                if not self._reserve(partial, file.bytes):
                    path.unlink()
                    return None
                try:
                    _download(file, partial)
                    path.rename(self.folder / file.name)
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
        return handle

    @contextmanager
    def _partial(self, file: ShardFile, wait: bool) -> Iterator[int | None]:
        """The locked file that the shard is written to; None if another has it and there is no waiting."""
        partial = os.open(self.folder / f"{PARTIAL}{file.name}", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            locked = _lock(partial, wait)
            yield partial if locked else None
        finally:
            os.close(partial)

    def _reserve(self, partial: int, size: int) -> bool:
        """Makes room for `size` bytes and takes it, by the length of the partial file; False if there is none."""
        room = os.open(self.folder / ROOM_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(room, fcntl.LOCK_EX)
            os.ftruncate(partial, 0)
            if not self._make_room(size):
                return False
            os.ftruncate(partial, size)
            return True
        finally:
            os.close(room)

    def _make_room(self, size: int) -> bool:
        entries = sorted((status.st_mtime_ns, path, status.st_size) for path, status in self._entries())
        total = sum(length for _, _, length in entries)
        for _, path, length in entries:
            if total + size <= self.max_bytes:
                break
            if length and _removed(path):
                total -= length
        return total + size <= self.max_bytes

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.iterdir():
            if path.name != ROOM_LOCK:
                try:
                    yield path, path.stat()
                except FileNotFoundError:
                    continue  # renamed or removed by another process


def _removed(path: Path) -> bool:
    """Removes a file that no process has locked: a shard not in use, or what a killed process left half fetched."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        if not _lock(handle, wait=False) or not _is_at(handle, path):
            return False
        path.unlink()
        return True
    finally:
        os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _download(file: ShardFile, target: int) -> None:
    """Writes the shard to `target`, on disk before it returns."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _copy(file, target)
            os.fsync(target)
            return
        except (OSError, AlteredShardError) as error:
            if attempt == ATTEMPTS:
                raise
            log.warning("%s could not be fetched (%s); attempt %d follows", file.path, error, attempt + 1)


def _copy(file: ShardFile, target: int) -> None:
    digest, length = hashlib.sha256(), 0
    with fsspec.open(file.path, "rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            os.pwrite(target, block[: max(0, file.bytes - length)], length)
            length += len(block)
    if length != file.bytes:
        raise AlteredShardError(
            f"{file.path} has {length} bytes, the dataset says {file.bytes}: it was cut short or changed; copy it again"
        )
    if file.sha256 is not None and digest.hexdigest() != file.sha256:
        raise AlteredShardError(f"{file.path} does not have the SHA-256 {file.sha256} of dataset.json; copy it again")
