"""A run: the folder that holds a frozen recipe, the ledger of what is committed, and the outputs.

A commit is one step. An attempt writes its outputs under `tmp/`, moves each to its final name, and last writes the
part's ledger entry, which is itself moved into place. Readers go by the ledger alone, so a file without an entry does
not exist for them. Because a part is a pure function, a second attempt at it overwrites the outputs of the first with
the same bytes. Every operation here is idempotent and is retried after a transient failure of the store.

Cost: per stage, one listing of the ledger and one read of its entries; nothing per document.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Self, TypeVar

from fsspec.core import url_to_fs

from m3w.pipeline.engine.ledger import FailedPart, LedgerEntry
from m3w.pipeline.engine.retrying import retried
from m3w.recipes.errors import InputError

Entry = TypeVar("Entry", LedgerEntry, FailedPart)
RunReference = tuple[str, str | None]
"""Opens the same run in another process: `Run(*reference)`."""
RUN_FORMAT = 2
"""Increased when this version can no longer use the outputs of older runs."""
ENTRIES_AT_ONCE = 1000
"""Ledger entries per read; while they are parsed they are in memory twice, as text and as objects."""
DRIVERS = "drivers"
"""The folder of the lock's entries, see `m3w.pipeline.engine.run_lock`."""


class LockLost(RuntimeError):
    """Another driver has taken over the run, because this one sent no heartbeat."""


class Run:
    """The folder of a run, on any fsspec path.

    `lock` names the driver that holds the run; without it a commit does not check the lock.
    """

    def __init__(self, path: str, lock: str | None = None):
        self.path, self.lock = path.rstrip("/") or path, lock
        # other processes write to the run, so a cached listing would be out of date
        self.fs, self._root = url_to_fs(self.path, use_listings_cache=False)

    @classmethod
    def create(cls, path: str) -> Self:
        """The run at `path`, created if it does not exist. Raises `InputError` for a folder that is not a run."""
        run = cls(path)
        if run.exists("run.json"):
            return cls.open(path)
        if run._holds_something_else():
            raise InputError(f"{path} holds files but no run.json, so it is not a run; give an empty or a new folder")
        run.write("run.json", json.dumps({"format": RUN_FORMAT}) + "\n")
        return run

    @classmethod
    def open(cls, path: str) -> Self:
        """The run at `path`. Raises `InputError` if it does not exist or has another format."""
        run = cls(path)
        try:
            version = json.loads(run.read("run.json")).get("format")
        except FileNotFoundError as error:
            raise InputError(f"{path} is not a run (it has no run.json); give the folder of an m3w build") from error
        except (ValueError, AttributeError) as error:
            raise InputError(f"{path}/run.json is damaged ({error}); restore it or build into a new folder") from error
        if version != RUN_FORMAT:
            raise InputError(
                f"{path} is a run of format {version}, this m3w writes format {RUN_FORMAT}, so neither can resume the "
                "other; build into a new folder, or use the m3w that made it"
            )
        return run

    @retried
    def _holds_something_else(self) -> bool:
        """Whether the folder holds more than a build leaves that was killed before it wrote `run.json`."""
        names = {posixpath.basename(item["name"].rstrip("/")) for item in self._listing("")}
        return bool(names - {"tmp", DRIVERS})

    @property
    def reference(self) -> RunReference:
        return self.path, self.lock

    def check_lock(self) -> None:
        """Raises `LockLost` if another driver has taken over the run from the one that this process works for."""
        if self.lock is not None and self.exists(f"{DRIVERS}/{self.lock}.taken"):
            raise LockLost(
                f"another build has taken over {self.path}, because this one sent no heartbeat for longer than "
                "execution.driver_timeout_s; this one stops, the other continues"
            )

    def full(self, name: str) -> str:
        """The path of `name` in the run, for its own filesystem."""
        return posixpath.join(self._root, name)

    def url(self, name: str) -> str:
        """The path of `name` in the run, as an fsspec path."""
        return posixpath.join(self.path, name)

    @retried
    def exists(self, name: str) -> bool:
        return self._exists(name)

    def _exists(self, name: str) -> bool:
        """Unlike the filesystem's `exists`, which returns False also for a store that failed, this one then raises."""
        try:
            self.fs.info(self.full(name))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _listing(self, folder: str) -> list[dict[str, Any]]:
        """What a folder holds; empty if it does not exist."""
        if not self._exists(folder):
            return []
        items: list[dict[str, Any]] = self.fs.ls(self.full(folder), detail=True)
        return items

    @retried
    def read(self, name: str) -> bytes:
        content: bytes = self.fs.cat_file(self.full(name))
        return content

    @retried
    def write(self, name: str, content: str | bytes, folder: str = "tmp") -> None:
        """Write a small file in one step: it is written in `folder` and then moved."""
        temporary = f"{folder}/{uuid.uuid4().hex}"
        self.fs.makedirs(self.full(folder), exist_ok=True)
        self.fs.pipe_file(self.full(temporary), content.encode() if isinstance(content, str) else content)
        self.publish(temporary, name)

    def write_if_changed(self, name: str, content: str) -> None:
        """Write a small file, unless it already has this content."""
        if not self.exists(name) or self.read(name) != content.encode():
            self.write(name, content)

    def publish(self, temporary: str, name: str) -> None:
        """Move a file to its final name, replacing an existing one."""
        attempts = itertools.count()

        @retried
        def move() -> None:
            if next(attempts) and not self._exists(temporary) and self._exists(name):
                return  # the store moved it, but the response was lost
            self.fs.makedirs(posixpath.dirname(self.full(name)), exist_ok=True)
            self.fs.mv(self.full(temporary), self.full(name))

        move()

    @retried
    def remove(self, name: str) -> None:
        """Remove a file or folder of the run, if it exists."""
        with contextlib.suppress(FileNotFoundError):  # removed by another attempt, or the first response was lost
            self.fs.rm(self.full(name), recursive=True)

    def entries(self, stage: str) -> dict[str, LedgerEntry]:
        """The committed parts of a stage by name. An entry that cannot be read is left out: its part runs again."""
        return dict(_readable(self._ledger_files(stage), LedgerEntry))

    def missing_outputs(self, entries: Iterable[LedgerEntry]) -> set[str]:
        """Names of the parts with an output that is missing or has another size; costs one listing per folder."""
        entries = list(entries)
        folders = {posixpath.dirname(output.path) for entry in entries for output in entry.outputs}
        sizes = {name: size for folder in folders for name, size in self._sizes(folder).items()}
        return {
            entry.part for entry in entries if any(sizes.get(output.path) != output.bytes for output in entry.outputs)
        }

    def names(self, folder: str) -> list[str]:
        """What a folder of the run holds, as paths in the run."""
        return sorted(self._sizes(folder))

    @retried
    def _sizes(self, folder: str) -> dict[str, int]:
        return {posixpath.join(folder, posixpath.basename(i["name"])): i["size"] for i in self._listing(folder)}

    def failures(self, stage: str) -> dict[str, FailedPart]:
        """The failed parts of a stage, by name."""
        return dict(_readable(self._ledger_files(f"{stage}/failed"), FailedPart))

    def _ledger_files(self, folder: str) -> Iterator[tuple[str, bytes]]:
        names = self._ledger_names(folder)
        for start in range(0, len(names), ENTRIES_AT_ONCE):
            contents = self._contents(names[start : start + ENTRIES_AT_ONCE])
            yield from ((posixpath.basename(name)[: -len(".json")], content) for name, content in contents.items())

    @retried
    def _ledger_names(self, folder: str) -> list[str]:
        return sorted(i["name"] for i in self._listing(f"ledger/{folder}") if i["name"].endswith(".json"))

    @retried
    def _contents(self, names: list[str]) -> dict[str, bytes]:
        contents = self.fs.cat(names)
        return {name: contents[name] for name in names}

    def set_aside(self, failed: FailedPart) -> None:
        self.write(f"ledger/{failed.stage}/failed/{failed.part}.json", failed.model_dump_json(indent=1) + "\n")


def _readable(files: Iterable[tuple[str, bytes]], form: type[Entry]) -> Iterator[tuple[str, Entry]]:
    for name, content in files:
        with contextlib.suppress(ValueError):
            yield name, form.model_validate_json(content)
