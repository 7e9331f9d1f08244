"""A cache of whole shards on the local disk, filled by the first process that needs a shard.

The ranks and loader workers of a machine share the folder, and so do several trainings. Their shared state is in the
file system alone, so a killed process leaves nothing to repair:

* a shard is written to `.partial-NAME` under an exclusive lock, checked by length and SHA-256, then renamed: a file
  whose name lacks the prefix is complete;
* a reader of a shard holds a shared lock on it, and a locked shard is never removed;
* the folder stays within its size limit, partial files included: the least recently used shards are removed.

Locks are flock's: the kernel releases them when their process ends.
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
"""Downloads of one shard before the error is raised."""


class AlteredShardError(ValueError):
    """A shard whose length or SHA-256 is not the one in `dataset.json`."""


class ShardCache:
    """The cached shards in `folder`, at most `max_bytes` in all."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def held(self, file: ShardFile) -> int | None:
        """A descriptor of the cached shard, which is kept until the descriptor is closed; None if it is not cached."""
        path = self.folder / file.name
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not _is_at(handle, path):  # removed between open and lock
            os.close(handle)
            return self.held(file)
        if os.fstat(handle).st_size != file.bytes:  # truncated by a crash of the machine
            path.unlink(missing_ok=True)
            os.close(handle)
            return None
        os.utime(handle)
        return handle

    def fetch(self, file: ShardFile, *, wait: bool = True) -> int | None:
        """As `held`, but a shard that is not cached is fetched first.

        None if it does not fit beside the shards in use or, without `wait`, if another process is fetching it. Raises
        AlteredShardError if its length or SHA-256 is not the one in `dataset.json`.
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
        """The locked file that the shard is written to; None if another process holds it and `wait` is false."""
        partial = os.open(self.folder / f"{PARTIAL}{file.name}", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            locked = _lock(partial, wait)
            yield partial if locked else None
        finally:
            os.close(partial)

    def _reserve(self, partial: int, size: int) -> bool:
        """Frees `size` bytes and reserves them by the length of the partial file; False if they cannot be freed."""
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
    """Removes a file that no process has locked: an unused shard, or a partial file of a killed process."""
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
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _download(file: ShardFile, target: int) -> None:
    """Writes the shard to `target` and syncs it to disk."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _copy(file, target)
            os.fsync(target)
            return
        except (OSError, AlteredShardError) as error:
            if attempt == ATTEMPTS:
                raise
            log.warning("%s could not be fetched (%s); starting attempt %d", file.path, error, attempt + 1)


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
