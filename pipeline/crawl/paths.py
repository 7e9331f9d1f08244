"""Which archive files a recipe names: paths, globs, folders and `*.paths.gz` listings, on any fsspec path."""

from __future__ import annotations

import gzip
import posixpath
import zlib
from collections.abc import Iterator, Sequence

import fsspec
from fsspec.core import url_to_fs

from pipeline.errors import InputError

COMMON_CRAWL = "https://data.commoncrawl.org/"
COMMON_CRAWL_FOLDER = "crawl-data/"
LISTING_SUFFIXES = (".paths", ".paths.gz")


def archive_files(patterns: Sequence[str], *, prefix: str | None = None) -> dict[str, int | None]:
    """All archive files that `patterns` name, sorted, with their sizes in bytes (None for those of a listing).

    A folder stands for every file under it. A pattern that ends in `.paths` or `.paths.gz` is a listing, one path a
    line: put behind `prefix` if there is one; else Common Crawl's own lines (`crawl-data/...`) behind
    https://data.commoncrawl.org/ and any other relative line behind the listing's folder. A listing that is merely
    found by a glob or in a folder is a file like any other. Raises `InputError` for what names no file, and where
    all files are empty (one that is empty among others is a fault in the input).
    """
    found: dict[str, int | None] = {}
    for pattern in patterns:
        for path, size in _matches(pattern).items():
            found.update(dict.fromkeys(_listed(path, prefix)) if pattern.endswith(LISTING_SUFFIXES) else {path: size})
    if not any(size is None or size for size in found.values()):
        raise InputError(
            f"crawl.paths: {', '.join(patterns)} names only empty files, so there is nothing to read; "
            "fetch them again, or give others"
        )
    return dict(sorted(found.items()))


def _matches(pattern: str) -> dict[str, int]:
    fs, path = url_to_fs(pattern)
    if fs.exists(path):  # asked first, since a file's name may hold a bracket or a question mark
        matches = fs.find(path, detail=True) if fs.isdir(path) else {path: fs.info(path)}
    else:
        matches = fs.glob(path, detail=True) if any(character in path for character in "*?[") else {}
    if not matches:
        raise InputError(
            f"crawl.paths: {pattern} names no file, so there is nothing to read; "
            "give a WARC file, a glob, a folder or a .paths.gz listing that exists"
        )
    files = {name: info["size"] for name, info in matches.items() if info["type"] != "directory"}
    return {str(fs.unstrip_protocol(name)).removeprefix("file://"): size for name, size in files.items()}


def _listed(listing: str, prefix: str | None) -> Iterator[str]:
    for line in _lines(listing):
        if "://" in line or line.startswith("/"):
            yield line
        elif prefix is not None:
            yield posixpath.join(prefix, line)
        elif line.startswith(COMMON_CRAWL_FOLDER):
            yield COMMON_CRAWL + line
        else:
            yield posixpath.join(posixpath.dirname(listing), line)


def _lines(listing: str) -> list[str]:
    with fsspec.open(listing, "rb") as file:
        content = file.read()
    try:
        text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            f"crawl.paths: {listing} is not a listing ({error}); it must be text with one path a line"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]
