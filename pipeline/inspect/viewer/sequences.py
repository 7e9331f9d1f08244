"""A document's sequences as they lie in the tars, and the training windows of them."""

from __future__ import annotations

import json
import posixpath
from dataclasses import asdict
from typing import Any

from fsspec.core import url_to_fs

from m3w.pipeline.inspect.viewer.tables import Tables
from m3w.pipeline.inspect.viewer.windows import CutWindow
from m3w.recipes.errors import InputError

MOST_TOKENS = 4096


class Sequences:
    """The sequences of a dataset, found through the indexes of its tars."""

    def __init__(self, tables: Tables, cut_window: CutWindow | None):
        self._tables, self._cut_window = tables, cut_window
        self._tars = {
            posixpath.basename(shard.index): shard.path
            for split in tables.folder.manifest.splits.values()
            for shard in split.sequences
        }

    def of(self, document_id: str) -> list[dict[str, Any]]:
        """Each with its key, its texts (null where an image stands) and how many images it has."""
        found = []
        for row in self._indexed("document_id = ?", document_id):
            sample = json.loads(self._member(row, "json"))
            images = len(sample["image_positions"])
            found.append(
                {"key": row["key"], "texts": sample["texts"], "images": images, "last": sample.get("last", True)}
            )
        return found

    def window(self, key: str, start: int, tokens: int, attend_next: bool) -> dict[str, Any]:
        """The window of at most `tokens` tokens from token `start` on."""
        if self._cut_window is None:
            raise InputError("this viewer was started without the trainer's windows")
        (row,) = self._indexed("key = ?", key) or (None,)
        if row is None:
            raise InputError(f"there is no sequence {key}")
        sample = json.loads(self._member(row, "json"))
        tokens = max(1, min(tokens, MOST_TOKENS))
        return asdict(self._cut_window(sample["texts"], sample.get("last", True), max(0, start), tokens, attend_next))

    def image(self, key: str, number: int) -> bytes | None:
        for row in self._indexed("key = ?", key):
            for member in row["members"]:
                if member["suffix"].partition(".")[0] == str(number):
                    return self._member(row, member["suffix"])
        return None

    def _indexed(self, condition: str, value: str) -> list[dict[str, Any]]:
        return self._tables.rows(
            f"SELECT filename, key, members FROM {self._tables.indexes()} WHERE {condition} ORDER BY key", [value]
        )

    def _member(self, row: dict[str, Any], suffix: str) -> bytes:
        member = next(each for each in row["members"] if each["suffix"] == suffix)
        tar = posixpath.join(self._tables.folder.path, self._tars[posixpath.basename(row["filename"])])
        fs, path = url_to_fs(tar)
        try:
            content: bytes = fs.cat_file(path, start=member["offset"], end=member["offset"] + member["size"])
        except OSError as error:
            raise InputError(f"{tar} cannot be read ({error}); copy it again or build it again") from error
        return content
