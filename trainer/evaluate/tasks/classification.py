"""Classification: ImageNet (a folder for each class), CIFAR-10's binary files, HatefulMemes, RareAct."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import fsspec
from pydantic import Field

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.tasks.source import (
    Example,
    Media,
    Source,
    columns,
    file_name,
    join_path,
    need,
    need_list,
    read_csv,
    read_json_lines,
    read_text,
    unique_keys,
)

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
CIFAR_RECORD, CIFAR_SIDE = 3073, 32
"""Bytes of a record of CIFAR-10: the label, then red, green and blue planes of 32 x 32."""


class FoldersSource(Source):
    """A folder for each class, pictures in it: ImageNet's `train` and `val`, CIFAR-10 as JPEG files."""

    images: str
    names: str | None = None
    """A file with the class of each folder, such as ImageNet's `LOC_synset_mapping.txt`: in the line
    "n01440764 tench, Tinca tinca" the class is `tench`. Without it the class is the folder's name, with spaces for `_`.
    """

    def examples(self, root: str) -> list[Example]:
        folder = join_path(root, self.images)
        names = {} if self.names is None else _names(join_path(root, self.names))
        by_class: dict[str, list[str]] = {}
        for path in sorted(_files(folder)):
            parent = PurePosixPath(path).parent.name
            by_class.setdefault(names.get(parent, parent.replace("_", " ")), []).append(path)
        classes = tuple(by_class)
        examples = [
            _classified("/".join(PurePosixPath(path).parts[-2:]), Media(path=path), name, classes, {"class": name})
            for name, paths in by_class.items()
            for path in paths
        ]
        return unique_keys(need_list(examples, f"{folder} (pictures in a folder for each class)"), folder)


class CifarSource(Source):
    """CIFAR-10's binary version: `data_batch_1.bin` ... `test_batch.bin`, classes in `batches.meta.txt`."""

    batches: list[str] = Field(min_length=1)
    names: str = "batches.meta.txt"

    def examples(self, root: str) -> list[Example]:
        classes = tuple(read_text(join_path(root, self.names)).split())
        examples = []
        for batch in self.batches:
            path = join_path(root, batch)
            content = _bytes(path)
            if not content or len(content) % CIFAR_RECORD:
                raise InputError(
                    f"{path} has {len(content)} bytes, no multiple of {CIFAR_RECORD}, so it is not CIFAR-10's binary "
                    "version; get that one, not the one for Python"
                )
            for offset in range(0, len(content), CIFAR_RECORD):
                key, name = f"{batch}/{offset // CIFAR_RECORD}", classes[content[offset]]
                examples.append(_classified(key, Media(path=path, offset=offset), name, classes, {"class": name}))
        return examples


class HatefulMemesSource(Source):
    """`train.jsonl`, `dev_seen.jsonl`, `test_seen.jsonl` (Kiela et al., arXiv 2005.04790): hateful or not."""

    annotations: str
    images: str = "."

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        examples = []
        for record in need_list(read_json_lines(path), path):
            label = need(record, "label", path)
            if label not in (0, 1):
                raise InputError(f"{path}: the label {label!r} is neither 0 nor 1; give the published file")
            key = str(need(record, "id", path))
            media = Media(path=join_path(root, self.images, str(need(record, "img", path))))
            fields, choices = {"text": str(need(record, "text", path))}, ("no", "yes")
            examples.append(_classified(key, media, choices[label], choices, columns(record), fields))
        return unique_keys(examples, path)


class RareActSource(Source):
    """`rareact.csv` (Miech et al., arXiv 2008.01018): clips of unusual actions; a class is a verb and a noun."""

    annotations: str
    videos: str
    video_name: str = "{video_id}.mp4"

    def examples(self, root: str) -> list[Example]:
        path = join_path(root, self.annotations)
        records = need_list(read_csv(path), path)
        actions = [f"{need(record, 'verb', path)} {need(record, 'noun', path)}" for record in records]
        classes = tuple(dict.fromkeys(actions))
        examples = []
        for record, action in zip(records, actions, strict=True):
            need(record, "annotation", path)
            file = join_path(root, self.videos, file_name(self.video_name, record, path))
            media = Media(path=file, start=float(need(record, "start", path)), end=float(need(record, "end", path)))
            examples.append(_classified(str(need(record, "id", path)), media, action, classes, columns(record)))
        return unique_keys(examples, path)


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
    paths: list[Any] = files.glob(f"{root.rstrip('/')}/*/*")
    local = "://" not in folder
    return [path if local else files.unstrip_protocol(path) for path in paths if path.lower().endswith(PICTURES)]


def _names(path: str) -> dict[str, str]:
    lines = (line.partition(" ") for line in read_text(path).splitlines() if line.strip())
    return {folder: name.partition(",")[0].strip() for folder, _, name in lines}


def _classified(
    key: str,
    media: Media,
    name: str,
    classes: tuple[str, ...],
    extra: dict[str, str],
    fields: dict[str, str] | None = None,
) -> Example:
    return Example(
        key=key, media=media, fields=fields or {}, references=(name,), answer=name, choices=classes, columns=extra
    )
