"""WACZ files: a ZIP with WARC files under `archive/`. A remote one is read where it lies: its directory, then members.

A stored member is a stretch of the file; a deflated one is decompressed as it is read, and so is never split.
"""

from __future__ import annotations

import zipfile
from typing import BinaryIO, cast

from m3w.pipeline.crawl.window import Window

SUFFIX = ".wacz"
ZIP_MAGIC = b"PK\x03\x04"
WARC_SUFFIXES = (".warc", ".warc.gz", ".arc", ".arc.gz")


def split_member(path: str) -> tuple[str | None, str]:
    """`zip://archive/a.warc::s3://b/c.wacz` to `archive/a.warc` and `s3://b/c.wacz`; any other to None and itself."""
    member, found, outer = path.partition("::")
    return (member.removeprefix("zip://"), outer) if found and member.startswith("zip://") else (None, path)


def member_path(path: str, member: str) -> str:
    return f"zip://{member}::{path}"


def warc_members(file: BinaryIO, path: str) -> dict[str, int | None]:
    """Paths of the WARC files in the WACZ file at `path`, with their sizes; None where one is deflated.

    Raises OSError for a file that is no ZIP, or holds none.
    """
    found = {
        member_path(path, info.filename): info.file_size if info.compress_type == zipfile.ZIP_STORED else None
        for info in _zip(file, path).infolist()
        if info.filename.startswith("archive/") and info.filename.lower().endswith(WARC_SUFFIXES)
    }
    if not found:
        raise OSError(f"{path} holds no WARC file under archive/")
    return found


def open_member(file: BinaryIO, member: str, path: str) -> BinaryIO:
    """The member of the ZIP in the open `file`; `path` stands in errors. Raises OSError."""
    archive = _zip(file, path)
    try:
        info = archive.getinfo(member)
        with archive.open(info) as opened:
            if info.compress_type != zipfile.ZIP_STORED:
                return cast(BinaryIO, archive.open(info))
            opened.read(1)  # checks the header that lies before the member
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise OSError(f"{path} cannot be read: {error}") from error
    start = _start(file, info)
    return cast(BinaryIO, Window(file, start, start + info.file_size))


def _start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin: behind its own header, which has a name and an extra field."""
    file.seek(info.header_offset)
    header = file.read(30)
    return info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def _zip(file: BinaryIO, path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise OSError(f"{path} is no WACZ file: {error}") from error
