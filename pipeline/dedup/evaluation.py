"""The user's evaluation sets: their files, their hashes in a run, and which texts and images of the crawl are in
them."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator
from typing import Any, Protocol

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs
from numpy.typing import NDArray

from m3w.pipeline.dedup.hamming import near_any
from m3w.pipeline.dedup.minhash import U64, ngram_hashes, words
from m3w.recipes.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".parquet")
TEXT_SUFFIXES = (".txt", ".jsonl", ".parquet")


class EvaluationSets(Protocol):
    """Where the sets are: the fields of `duplicates.evaluation`."""

    @property
    def images(self) -> str | None: ...
    @property
    def image_column(self) -> str: ...
    @property
    def texts(self) -> str | None: ...
    @property
    def text_column(self) -> str: ...


def evaluation_inputs(settings: EvaluationSets) -> list[str]:
    """Each file of the recipe's evaluation sets with the SHA-256 of its content; reads all of them once.

    Raises `InputError` for a set that does not exist or is empty.
    """
    return [
        f"{path} of sha256 {_sha256(path)}"
        for folder, key, suffixes in (
            (settings.images, "images", IMAGE_SUFFIXES),
            (settings.texts, "texts", TEXT_SUFFIXES),
        )
        if folder is not None
        for path in files(folder, key, suffixes)
    ]


def files(folder: str, key: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files of the set at `folder` (a folder or a file), by name.

    Raises `InputError` if there is none: nothing would be found in the set.
    """
    what = f"duplicates.evaluation.{key} = {folder}"
    try:
        fs, root = url_to_fs(folder)
        if fs.isfile(root):
            return [folder]
        names = [name for name in fs.find(root) if name.lower().endswith(suffixes)]
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{what} cannot be read ({error}); give a folder or a file") from error
    if not names:
        state = "holds no file" if fs.exists(root) else "is not there, so it holds no file"
        raise InputError(
            f"{what} {state} of {', '.join(suffixes)}, so nothing would be found in the evaluation set; give the "
            "folder that holds it, or null"
        )
    return sorted(str(fs.unstrip_protocol(name)) for name in names)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def images(settings: EvaluationSets) -> Iterator[bytes]:
    """The bytes of each evaluation image."""
    assert settings.images is not None
    for path in files(settings.images, "images", IMAGE_SUFFIXES):
        if path.lower().endswith(".parquet"):
            for value in _column(path, settings.image_column, "image_column"):
                content = value.get("bytes") if isinstance(value, dict) else value  # a struct is how `datasets` has it
                yield content if isinstance(content, bytes) else b""
        else:
            with fsspec.open(path, "rb") as file:
                yield file.read()


def texts(settings: EvaluationSets) -> Iterator[str]:
    """Each evaluation text; of a column of lists, such as answers, each item."""
    assert settings.texts is not None
    for path in files(settings.texts, "texts", TEXT_SUFFIXES):
        for value in _texts(path, settings.text_column):
            yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _texts(path: str, column: str) -> Iterator[Any]:
    if path.lower().endswith(".parquet"):
        yield from _column(path, column, "text_column")
        return
    with fsspec.open(path, "rt", encoding="utf-8", errors="replace") as file:
        if not path.lower().endswith(".jsonl"):
            yield file.read()
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _field(line, column, f"{path}:{number}")


def _field(line: str, column: str, where: str) -> Any:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON ({error}); mend the line") from error
    if not isinstance(value, dict) or column not in value:
        raise InputError(f"{where} has no field {column}; name it by duplicates.evaluation.text_column")
    return value[column]


def _column(path: str, column: str, key: str) -> Iterator[Any]:
    with fsspec.open(path, "rb") as source:
        try:
            file = pq.ParquetFile(source)
            names = file.schema_arrow.names
            if column not in names:
                raise InputError(
                    f"{posixpath.basename(path)} has no column {column}, only {', '.join(names)}; name it by "
                    f"duplicates.evaluation.{key}"
                )
            for batch in file.iter_batches(batch_size=64, columns=[column]):
                yield from batch[column].to_pylist()
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is no Parquet file ({error}); mend or remove it") from error


class EvaluationTexts:
    """N-grams of the evaluation texts.

    As in GPT-3 (arXiv 2005.14165, appendix C), a text is contaminated if it shares a run of 13 words. Deviation: GPT-3
    removes 200 characters around the run; here the whole document is dropped, as the rest may be from the set, too.
    """

    def __init__(self, hashes: U64, ngram: int):
        self._hashes, self._ngram = hashes, ngram

    def shared_by(self, texts: list[str]) -> list[bool]:
        """Which of `texts` share an n-gram with any evaluation text."""
        hashes, counts = ngram_hashes([words(text) for text in texts], self._ngram)
        hits = np.concatenate([[0], np.cumsum(_contained(hashes, self._hashes))])
        ends = np.cumsum(counts)
        return [bool(is_shared) for is_shared in hits[ends] > hits[ends - counts]]


class EvaluationImages:
    """Perceptual hashes of the evaluation images."""

    def __init__(self, hashes: U64, distance: int):
        self._hashes, self._distance = hashes, distance

    def near(self, phashes: U64) -> NDArray[np.bool_]:
        """Which of `phashes` are within the distance of any evaluation image."""
        return near_any(phashes, self._hashes, self._distance)


def _contained(values: U64, among: U64) -> NDArray[np.bool_]:
    if not len(among):
        return np.zeros(len(values), np.bool_)
    nearest = np.minimum(np.searchsorted(among, values), len(among) - 1)
    contained: NDArray[np.bool_] = among[nearest] == values
    return contained
