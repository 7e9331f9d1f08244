"""Files of the crawl, wherever they lie: opened for reading, with the patience that a recipe's `crawl.storage` has.

`http(s)://` and `s3://` are read by `RangedFile`; for the latter s3fs signs an address for each request, with the
credentials that AWS's own tools would take (environment, profile, an instance's role). Every other path is fsspec's.
`zip://MEMBER::PATH` is a member of a WACZ file at any of these.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.core import url_to_fs

from m3w.pipeline.crawl.ranged_file import RangedFile
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.wacz import open_member, split_member
from m3w.recipes.errors import InputError

SIGNED_FOR_S = 3600


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
    """The file at an `http(s)://` or `s3://` path; nothing is asked for yet."""
    if not path.startswith("s3://"):
        return RangedFile(path, lambda: path, storage)
    fs = _s3(storage)
    return RangedFile(path, lambda: str(fs.sign(path, expiration=SIGNED_FOR_S)), storage)


def filesystem(path: str, storage: Storage) -> tuple[Any, str]:
    """The fsspec filesystem that lists `path`, and the path in it."""
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
