"""Classification: a folder a class, as ImageNet is unpacked, and CIFAR-10's binary files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import fsspec
from pydantic import Field

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.example import Example, Media
from m3w.trainer.evaluate.tasks.reading import Source, located, need_list, read_text, unique_keys

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
CIFAR_RECORD, CIFAR_SIDE = 3073, 32
"""Bytes of a record of CIFAR-10: the label, then red, green and blue planes of 32 x 32."""


class FoldersSource(Source):
    """A folder for each class, pictures in it: ImageNet's `train` and `val`, CIFAR-10 as JPEG files."""

    images: str
    names: str | None = None
    """A file that names the folders, a line each: "n01440764 tench, Tinca tinca" (ImageNet's `LOC_synset_mapping.txt`);
    what stands before the first comma is the class. Without it a folder's name is its class, `_` a space."""

    def examples(self, root: str) -> list[Example]:
        folder = located(root, self.images)
        names = {} if self.names is None else _names(located(root, self.names))
        by_class: dict[str, list[str]] = {}
        for path in sorted(_files(folder)):
            parent = PurePosixPath(path).parent.name
            by_class.setdefault(names.get(parent, parent.replace("_", " ")), []).append(path)
        classes = tuple(by_class)
        found = [
            _classified("/".join(PurePosixPath(path).parts[-2:]), Media(path=path), name, classes)
            for name, paths in by_class.items()
            for path in paths
        ]
        return unique_keys(need_list(found, f"{folder} (pictures in a folder for each class)"), folder)


class CifarSource(Source):
    """CIFAR-10's binary version: `data_batch_1.bin` ... `test_batch.bin`, classes in `batches.meta.txt`."""

    batches: list[str] = Field(min_length=1)
    names: str = "batches.meta.txt"

    def examples(self, root: str) -> list[Example]:
        classes = tuple(read_text(located(root, self.names)).split())
        found = []
        for batch in self.batches:
            path = located(root, batch)
            content = _bytes(path)
            if not content or len(content) % CIFAR_RECORD:
                raise InputError(
                    f"{path} has {len(content)} bytes, no multiple of {CIFAR_RECORD}, so it is not CIFAR-10's binary "
                    "version; get that one, not the one for Python"
                )
            for at in range(0, len(content), CIFAR_RECORD):
                media = Media(path=path, offset=at)
                found.append(_classified(f"{batch}/{at // CIFAR_RECORD}", media, classes[content[at]], classes))
        return found


def _bytes(path: str) -> bytes:
    try:
        with fsspec.open(path, "rb") as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there, so the task has no examples; set `root` or `batches`") from error


def _files(folder: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(folder)
    if not files.isdir(root):
        raise InputError(f"{folder} is not a folder, so the task has no pictures; set `root` or `images`")
    found: list[Any] = files.glob(f"{root.rstrip('/')}/*/*")
    local = "://" not in folder
    return [path if local else files.unstrip_protocol(path) for path in found if path.lower().endswith(PICTURES)]


def _names(path: str) -> dict[str, str]:
    lines = (line.partition(" ") for line in read_text(path).splitlines() if line.strip())
    return {folder: name.partition(",")[0].strip() for folder, _, name in lines}


def _classified(key: str, media: Media, name: str, classes: tuple[str, ...]) -> Example:
    extra = {"class": name}
    return Example(key=key, media=media, fields={}, references=(name,), answer=name, choices=classes, columns=extra)
