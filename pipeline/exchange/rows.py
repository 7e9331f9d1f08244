"""Rows of a Parquet file on any fsspec path, and rows to samples: a bad one costs itself."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from m3w.pipeline.engine.ledger import Fault
from m3w.pipeline.exchange.sample import BadSample, Sample
from m3w.recipes.errors import InputError

BREAKS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, pa.ArrowException)
BROKEN_OFF = "broken_off"
"""The reason of what is no sample: the file has no further ones."""
ROWS_AT_ONCE = 64
"""A row may hold several images of some MiB each."""


def parquet_rows(
    file: BinaryIO, path: str, needed: Sequence[str], also: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """The rows of a file: the columns `needed` and, of `also`, those that are there.

    Raises `InputError` for a file that is no Parquet or lacks a needed column.
    """
    there = column_names(file, path)
    missing = sorted(set(needed) - set(there))
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}, so it is not of this format; it has {', '.join(there)}"
        )
    columns = [*needed, *(name for name in also if name in there)]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
        yield from batch.to_pylist()


def column_names(file: BinaryIO, path: str) -> list[str]:
    """Raises `InputError` for a file that is no Parquet."""
    try:
        names: list[str] = pq.read_schema(file).names
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file ({error}), so it has no rows; give another file") from error
    return names


def read_samples(
    path: str, rows: Iterable[dict[str, Any]], sample: Callable[[dict[str, Any]], Sample]
) -> Iterator[Sample | Fault]:
    """Each row as a sample, or as a fault that names its number in the file, from 0.

    A file that breaks off, or in which nothing further can be read, ends with a fault.
    """
    rows, number = iter(rows), -1
    while True:
        number += 1
        try:
            yield sample(next(rows))
        except StopIteration:
            return
        except InputError:
            raise
        except BREAKS as error:
            yield Fault(path=path, offset=number, reason=BROKEN_OFF, detail=f"{type(error).__name__}: {error}"[:500])
            return
        except BadSample as error:
            yield Fault(path=path, offset=number, reason=str(error))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Fault(path=path, offset=number, reason="malformed", detail=f"{type(error).__name__}: {error}"[:500])
