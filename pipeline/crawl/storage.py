"""Files of the crawl, opened for reading wherever they are, with retries as the recipe's `crawl.storage` says.

`http(s)://` and `s3://` are read by `RangedFile`; for `s3://`, s3fs signs a URL for each request with the credentials
that AWS's own tools would use (environment, profile, an instance's role). Every other path is opened by fsspec.

`zip://MEMBER::PATH` is a member of a WACZ file at any of these: a ZIP with WARC files under `archive/`. A remote ZIP is
not downloaded; its directory and members are read by ranges. A stored member is a range of the file. A deflated one is
decompressed while it is read, so it cannot be split.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.core import url_to_fs

from m3w.pipeline.crawl.ranged_file import RangedFile
from m3w.pipeline.crawl.section import Storage
from m3w.recipes.errors import InputError

SIGNED_FOR_S = 3600
WACZ_SUFFIX = ".wacz"
ZIP_MAGIC = b"PK\x03\x04"
WARC_SUFFIXES = (".warc", ".warc.gz", ".arc", ".arc.gz")


@contextlib.contextmanager
def open_file(path: str, storage: Storage) -> Iterator[BinaryIO]:
    """The file at `path` (an fsspec path), open for reading and seeking. Raises OSError."""
    with ExitStack() as stack:
        member, outer = split_member(path)
        if member is not None:
            yield open_member(stack.enter_context(open_file(outer, storage)), member, path)
        elif outer.startswith(("http://", "https://", "s3://")):
            yield cast(BinaryIO, stack.enter_context(ranged_file(outer, storage)))
        else:
            yield stack.enter_context(fsspec.open(outer, "rb"))


def ranged_file(path: str, storage: Storage) -> RangedFile:
    """The file at an `http(s)://` or `s3://` path. Makes no request yet."""
    if not path.startswith("s3://"):
        return RangedFile(path, lambda: path, storage)
    fs = _s3(storage)
    return RangedFile(path, lambda: str(fs.sign(path, expiration=SIGNED_FOR_S)), storage)


def filesystem(path: str, storage: Storage) -> tuple[Any, str]:
    """The fsspec filesystem of `path`, and the path in it."""
    if path.startswith("s3://"):
        return _s3(storage), path.removeprefix("s3://")
    fs, inner = url_to_fs(path)
    return fs, inner


def _s3(storage: Storage) -> Any:
    try:
        import s3fs
    except ImportError as error:
        raise InputError("s3:// paths need s3fs, which is not installed; pip install 'm3w[s3]'") from error
    return s3fs.S3FileSystem(
        anon=storage.anonymous,
        endpoint_url=storage.endpoint,
        cache_regions=storage.endpoint is None and not storage.anonymous,
        config_kwargs={} if storage.anonymous else {"signature_version": "s3v4"},
        use_listings_cache=False,
    )


def split_member(path: str) -> tuple[str | None, str]:
    """`zip://archive/a.warc::s3://b/c.wacz` to `archive/a.warc` and `s3://b/c.wacz`; other paths to None and itself."""
    member, separator, outer = path.partition("::")
    return (member.removeprefix("zip://"), outer) if separator and member.startswith("zip://") else (None, path)


def member_path(path: str, member: str) -> str:
    return f"zip://{member}::{path}"


def warc_members(file: BinaryIO, path: str) -> dict[str, int | None]:
    """Paths of the WARC files in the WACZ file at `path`, with their sizes; None where one is deflated.

    Raises OSError for a file that is not a ZIP or has no WARC file.
    """
    members = {
        member_path(path, info.filename): info.file_size if info.compress_type == zipfile.ZIP_STORED else None
        for info in _zip(file, path).infolist()
        if info.filename.startswith("archive/") and info.filename.lower().endswith(WARC_SUFFIXES)
    }
    if not members:
        raise OSError(f"{path} has no WARC file under archive/")
    return members


def open_member(file: BinaryIO, member: str, path: str) -> BinaryIO:
    """The member of the ZIP in the open `file`, whose `path` is for error messages. Raises OSError."""
    archive = _zip(file, path)
    try:
        info = archive.getinfo(member)
        with archive.open(info) as opened:
            if info.compress_type != zipfile.ZIP_STORED:
                return cast(BinaryIO, archive.open(info))
            opened.read(1)  # checks the member's own header
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise OSError(f"{path} cannot be read: {error}") from error
    start = _start(file, info)
    return cast(BinaryIO, Window(file, start, start + info.file_size))


def _start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Offset of a stored member's bytes: after its own header, which ends with a name and an extra field."""
    file.seek(info.header_offset)
    header = file.read(30)
    return info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def _zip(file: BinaryIO, path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise OSError(f"{path} is not a WACZ file: {error}") from error


class Window(io.RawIOBase):
    """The bytes from `start` to `end` of an open file, as a file.

    Positions count from `origin`, by default `start`; with `origin` 0 they are the positions in `file`. Closing the
    window leaves the file open.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, *, origin: int | None = None):
        self._file, self._end = file, end
        self._origin = start if origin is None else origin
        self._position = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position - self._origin

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: self._origin, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = start + offset
        return self.tell()

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._end - self._position)
        self._file.seek(self._position)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
