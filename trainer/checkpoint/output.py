"""The output folder of a training: on this machine's file systems, or at an fsspec URL with a local copy.

Small files (tokenizer, metrics, TensorBoard) are written to the copy and uploaded; checkpoints are written to the URL.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import fsspec

from m3w.trainer.checkpoint.store import is_remote
from m3w.trainer.distributed.ranks import Ranks

SHARED = ("recipe.yaml", "processor", "vision_encoder", "language_model", "indexes", "metrics.jsonl")
"""What a resume on another machine needs besides the checkpoints."""


class Output:
    """The output at `path`. `folder` is the local folder to write to."""

    def __init__(self, path: str, ranks: Ranks) -> None:
        self.path, self.ranks = path.rstrip("/"), ranks
        self._files: Any = None
        self.folder = Path(path.removeprefix("file://"))
        if is_remote(path):
            self._files = fsspec.core.url_to_fs(self.path)[0]
            name = hashlib.sha256(self.path.encode()).hexdigest()[:16]
            self.folder = Path(tempfile.gettempdir()) / f"m3w-{os.getuid()}-{name}"
            if ranks.first_here:
                shutil.rmtree(self.folder, ignore_errors=True)
                self._fetch()
        self.folder.mkdir(parents=True, exist_ok=True)
        ranks.wait()

    @property
    def checkpoints(self) -> str:
        return f"{self.path}/checkpoints"

    def share(self) -> None:
        """Makes what the first rank has written available on every machine. All ranks must call it."""
        if self._files is not None:
            if self.ranks.first:
                self.upload(*SHARED)
            self.ranks.wait()
            if self.ranks.first_here and not self.ranks.first:
                self._fetch()
        self.ranks.wait()

    def upload(self, *names: str) -> None:
        """Copies files and folders of `folder` to the URL, if the output is at one."""
        for name in names:
            here = self.folder / name
            if self._files is not None and here.exists():
                self._files.makedirs(self.path, exist_ok=True)
                there = f"{self.path}/{name}"
                self._files.put(f"{here}/" if here.is_dir() else str(here), there, recursive=here.is_dir())

    def _fetch(self) -> None:
        for name in SHARED:
            there = f"{self.path}/{name}"
            if self._files.exists(there):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                folder = self._files.isdir(there)
                here = self.folder / name
                self._files.get(f"{there}/" if folder else there, f"{here}/" if folder else str(here), recursive=folder)
