"""Which archive files a recipe names: paths, globs, folders, `*.paths.gz` listings, WACZ files; on any fsspec path."""

from __future__ import annotations

import gzip
import posixpath
import zlib
from collections.abc import Iterator, Sequence

from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import SUFFIX as WACZ
from m3w.pipeline.crawl.storage import filesystem, open_file, ranged_file, warc_members
from m3w.recipes.errors import InputError

COMMON_CRAWL = "https://data.commoncrawl.org/"
COMMON_CRAWL_FOLDER = "crawl-data/"
LISTING_SUFFIXES = (".paths", ".paths.gz")


def archive_files(
    patterns: Sequence[str], *, prefix: str | None = None, storage: Storage | None = None
) -> dict[str, int | None]:
    """All archive files that `patterns` name, sorted, with their sizes in bytes (None for those of a listing).

    A folder stands for every file under it. A pattern that ends in `.paths` or `.paths.gz` is a listing, one path a
    line: put behind `prefix` if there is one; else Common Crawl's own lines (`crawl-data/...`) behind
    https://data.commoncrawl.org/ and any other relative line behind the listing's folder. A listing that is merely
    found by a glob or in a folder is a file like any other. A WACZ file stands for the WARC files in it. Raises
    `InputError` for what names no file, and where all files are empty (one that is empty among others is a fault in
    the input).
    """
    storage = storage or Storage()
    found: dict[str, int | None] = {}
    for pattern in patterns:
        for path, size in matches(pattern, storage, "crawl.paths").items():
            listing = pattern.endswith(LISTING_SUFFIXES)
            found.update(dict.fromkeys(_listed(path, prefix, storage)) if listing else {path: size})
    for path in [path for path in found if path.lower().endswith(WACZ)]:
        found.update(_members(path, found.pop(path), storage))
    if not any(size is None or size for size in found.values()):
        raise InputError(
            f"crawl.paths: {', '.join(patterns)} names only empty files, so there is nothing to read; "
            "fetch them again, or give others"
        )
    return dict(sorted(found.items()))


def _members(path: str, size: int | None, storage: Storage) -> dict[str, int | None]:
    """The WARC files in a WACZ file; a broken one stays what it is, and costs itself when it is read."""
    try:
        with open_file(path, storage) as file:
            return warc_members(file, path)
    except OSError:
        return {path: size}


def matches(pattern: str, storage: Storage, key: str) -> dict[str, int | None]:
    """The files that a path, glob or folder names, with their sizes in bytes.

    Raises `InputError`, which names the recipe's `key`, if there are none or the store cannot be asked.
    """
    try:
        files = _one_remote(pattern, storage) or _found(pattern, storage)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{key}: {pattern} cannot be asked for ({' '.join(str(error).split())[:300]}); check the address, "
            "crawl.storage and the credentials in the environment"
        ) from error
    if not files:
        raise InputError(
            f"{key}: {pattern} names no file, so there is nothing to read; give a path, a glob, a folder or a "
            ".paths.gz listing that exists"
        )
    return files


def _one_remote(pattern: str, storage: Storage) -> dict[str, int | None]:
    """A file behind HTTP, asked for by its first byte; no such file is none."""
    if not pattern.startswith(("http://", "https://")):
        return {}
    try:
        with ranged_file(pattern, storage) as file:
            return {pattern: file.size}
    except FileNotFoundError:
        return {}


def _found(pattern: str, storage: Storage) -> dict[str, int | None]:
    fs, path = filesystem(pattern, storage)
    if fs.exists(path):  # asked first, since a file's name may hold a bracket or a question mark
        found = fs.find(path, detail=True) if fs.isdir(path) else {path: fs.info(path)}
    else:
        found = fs.glob(path, detail=True) if any(character in path for character in "*?[") else {}
    files = {name: info["size"] for name, info in found.items() if info["type"] != "directory"}
    return {str(fs.unstrip_protocol(name)).removeprefix("file://"): size for name, size in files.items()}


def _listed(listing: str, prefix: str | None, storage: Storage) -> Iterator[str]:
    return (placed(line, listing, prefix) for line in _lines(listing, storage))


def placed(name: str, listing: str, prefix: str | None) -> str:
    """The path of a file that a listing or an index names."""
    if "://" in name or name.startswith("/"):
        return name
    if prefix is not None:
        return posixpath.join(prefix, name)
    if name.startswith(COMMON_CRAWL_FOLDER):
        return COMMON_CRAWL + name
    return posixpath.join(posixpath.dirname(listing), name)


def _lines(listing: str, storage: Storage) -> list[str]:
    with open_file(listing, storage) as file:
        content = file.read()
    try:
        text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            f"crawl.paths: {listing} is not a listing ({error}); it must be text with one path a line"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]
