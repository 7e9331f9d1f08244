"""The archive files that a recipe names: paths, globs, folders, `*.paths.gz` listings, WACZ files; any fsspec path."""

from __future__ import annotations

import gzip
import posixpath
import zlib
from collections.abc import Iterator, Sequence

from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import WACZ_SUFFIX, filesystem, open_file, ranged_file, warc_members
from m3w.recipes.errors import InputError

COMMON_CRAWL = "https://data.commoncrawl.org/"
COMMON_CRAWL_FOLDER = "crawl-data/"
LISTING_SUFFIXES = (".paths", ".paths.gz")


def archive_files(
    patterns: Sequence[str], *, prefix: str | None = None, storage: Storage | None = None
) -> dict[str, int | None]:
    """All archive files that `patterns` name, sorted, with their sizes in bytes (None for files named by a listing).

    A folder stands for all files under it, a WACZ file for the WARC files in it. A pattern that ends in `.paths` or
    `.paths.gz` is a listing with one path per line, relative to `prefix` if given. Without it, Common Crawl's own lines
    (`crawl-data/...`) are relative to https://data.commoncrawl.org/ and others to the listing's folder. A listing that
    a glob or a folder matches is a file like any other.

    Raises `InputError` for a pattern that names no file, and if all files are empty. (A single empty file is a fault
    that is counted when it is read.)
    """
    storage = storage or Storage()
    files: dict[str, int | None] = {}
    for pattern in patterns:
        for path, size in matches(pattern, storage, "crawl.paths").items():
            listing = pattern.endswith(LISTING_SUFFIXES)
            files.update(dict.fromkeys(_listed(path, prefix, storage)) if listing else {path: size})
    for path in [path for path in files if path.lower().endswith(WACZ_SUFFIX)]:
        files.update(_members(path, files.pop(path), storage))
    if not any(size is None or size for size in files.values()):
        raise InputError(
            f"crawl.paths: {', '.join(patterns)} names only empty files, so there is nothing to read; "
            "fetch them again, or give others"
        )
    return dict(sorted(files.items()))


def _members(path: str, size: int | None, storage: Storage) -> dict[str, int | None]:
    """The WARC files in a WACZ file. A damaged WACZ file is returned itself, to fail when it is read."""
    try:
        with open_file(path, storage) as file:
            return warc_members(file, path)
    except OSError:
        return {path: size}


def matches(pattern: str, storage: Storage, key: str) -> dict[str, int | None]:
    """The files that a path, glob or folder names, with their sizes in bytes.

    Raises `InputError`, which names the recipe's `key`, if there are none or the store does not answer.
    """
    try:
        files = _http_file(pattern, storage) or _listed_by_filesystem(pattern, storage)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{key}: {pattern} cannot be listed ({' '.join(str(error).split())[:300]}); check the address, "
            "crawl.storage and the credentials in the environment"
        ) from error
    if not files:
        raise InputError(
            f"{key}: {pattern} names no file, so there is nothing to read; give a path, a glob, a folder or a "
            ".paths.gz listing that exists"
        )
    return files


def _http_file(pattern: str, storage: Storage) -> dict[str, int | None]:
    """The file at an HTTP URL, with its size; empty for any other path or a file that does not exist."""
    if not pattern.startswith(("http://", "https://")):
        return {}
    try:
        with ranged_file(pattern, storage) as file:
            return {pattern: file.size}
    except FileNotFoundError:
        return {}


def _listed_by_filesystem(pattern: str, storage: Storage) -> dict[str, int | None]:
    fs, path = filesystem(pattern, storage)
    if fs.exists(path):  # first, since a file's name may contain a bracket or a question mark
        entries = fs.find(path, detail=True) if fs.isdir(path) else {path: fs.info(path)}
    else:
        entries = fs.glob(path, detail=True) if any(character in path for character in "*?[") else {}
    files = {name: info["size"] for name, info in entries.items() if info["type"] != "directory"}
    return {str(fs.unstrip_protocol(name)).removeprefix("file://"): size for name, size in files.items()}


def _listed(listing: str, prefix: str | None, storage: Storage) -> Iterator[str]:
    return (resolved_path(line, listing, prefix) for line in _lines(listing, storage))


def resolved_path(name: str, listing: str, prefix: str | None) -> str:
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
