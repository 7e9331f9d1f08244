"""Stores of checkpoints: a folder on a file system, or in an object store.

    FOLDER/step-00000100/    model and optimizer, sharded (torch.distributed.checkpoint); rng-00000.pt per rank;
                             training.json: the step and the identity of the training

A checkpoint exists once its training.json does. On a file system the folder is written under a hidden name, synced and
renamed; an object store cannot rename folders, so there training.json is written last, and removed first.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, Protocol

import fsspec
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter

RECORD = "training.json"
_NAME = re.compile(r"step-(\d{8})")


class CheckpointStore(Protocol):
    """Checkpoints by their steps."""

    def steps(self) -> list[int]:
        """The steps of the complete checkpoints, ascending."""

    def clear(self, step: int) -> None:
        """Prepares for a checkpoint of `step`: removes what a killed writer left."""

    def writer(self, step: int) -> StorageWriter: ...

    def reader(self, step: int) -> StorageReader: ...

    def write(self, step: int, name: str, content: bytes) -> None:
        """Writes a file of a checkpoint that is not published yet."""

    def read(self, step: int, name: str) -> bytes | None:
        """Reads a file of a complete checkpoint; None if there is no such file."""

    def publish(self, step: int, record: bytes) -> None:
        """Publishes the checkpoint atomically: no reader finds an incomplete one."""

    def remove(self, step: int) -> None:
        """Removes the checkpoint, atomically for readers."""

    def path(self, step: int) -> str: ...


def open_store(folder: str) -> CheckpointStore:
    """The store in `folder`, a local path or an fsspec URL."""
    return RemoteStore(folder) if is_remote(folder) else LocalStore(Path(folder.removeprefix("file://")))


def is_remote(path: str) -> bool:
    """Whether `path` is a URL of another store than this machine's file systems."""
    return "://" in path and not path.startswith("file://")


class LocalStore:
    """Checkpoints on a file system with atomic renames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def steps(self) -> list[int]:
        return sorted(int(match[1]) for path in self.folder.glob("step-*") if (match := _NAME.fullmatch(path.name)))

    def clear(self, step: int) -> None:
        for left_over in (*self.folder.glob(".partial-*"), Path(self.path(step))):
            shutil.rmtree(left_over, ignore_errors=True)
        self._partial(step).mkdir(parents=True)

    def writer(self, step: int) -> StorageWriter:
        return FileSystemWriter(self._partial(step))

    def reader(self, step: int) -> StorageReader:
        return FileSystemReader(self.path(step))

    def write(self, step: int, name: str, content: bytes) -> None:
        with (self._partial(step) / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def read(self, step: int, name: str) -> bytes | None:
        path = Path(self.path(step)) / name
        return path.read_bytes() if path.exists() else None

    def publish(self, step: int, record: bytes) -> None:
        self.write(step, RECORD, record)
        self._partial(step).rename(self.path(step))
        _sync(self.folder)

    def remove(self, step: int) -> None:
        # Renamed first: a reader must not find a checkpoint that is half removed.
        path = Path(self.path(step))
        shutil.rmtree(path.rename(path.with_name(f".partial-old-{path.name}")))

    def path(self, step: int) -> str:
        return str(self.folder / f"step-{step:08d}")

    def _partial(self, step: int) -> Path:
        return self.folder / f".partial-step-{step:08d}"


class RemoteStore:
    """Checkpoints in a store of fsspec where each file appears atomically: `s3://`, `gs://`, `hf://`, `memory://`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder.rstrip("/")
        self._files: Any = fsspec.core.url_to_fs(self.folder)[0]

    def steps(self) -> list[int]:
        self._files.invalidate_cache()
        try:  # neither `glob` nor `exists`: they take a store that fails to answer for an empty one
            folders = self._files.ls(self.folder, detail=False)
        except FileNotFoundError:
            return []
        names = (_NAME.fullmatch(folder.rstrip("/").split("/")[-1]) for folder in folders)
        return sorted(step for name in names if name and self.read(step := int(name[1]), RECORD) is not None)

    def clear(self, step: int) -> None:
        """Removes the record first, so that a checkpoint being overwritten does not count as one."""
        complete = set(self.steps())
        if step in complete:
            self._files.rm(f"{self.path(step)}/{RECORD}")
        for folder in self._files.glob(f"{self.folder}/step-*"):
            match = _NAME.fullmatch(folder.rstrip("/").split("/")[-1])
            if match and int(match[1]) not in complete - {step}:
                self._files.rm(folder, recursive=True)

    def writer(self, step: int) -> StorageWriter:
        return FsspecWriter(self.path(step), sync_files=False)

    def reader(self, step: int) -> StorageReader:
        return FsspecReader(self.path(step))

    def write(self, step: int, name: str, content: bytes) -> None:
        self._files.makedirs(self.path(step), exist_ok=True)
        self._files.pipe_file(f"{self.path(step)}/{name}", content)

    def read(self, step: int, name: str) -> bytes | None:
        try:
            content: bytes = self._files.cat_file(f"{self.path(step)}/{name}")
        except FileNotFoundError:
            return None
        return content

    def publish(self, step: int, record: bytes) -> None:
        self.write(step, RECORD, record)

    def remove(self, step: int) -> None:
        self._files.rm(f"{self.path(step)}/{RECORD}")
        self._files.rm(self.path(step), recursive=True)

    def path(self, step: int) -> str:
        return f"{self.folder}/step-{step:08d}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
