"""Columns of byte strings of one length as numpy matrices, and their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
"""[n, width]"""


def to_matrix(column: Any) -> Bytes:
    """The values [n, width] of a column without nulls."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.byte_width
    values = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return values[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)


def to_array(matrix: Bytes) -> Any:
    """A column of `pa.binary(width)`."""
    count, width = matrix.shape
    buffer = pa.py_buffer(np.ascontiguousarray(matrix).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, buffer])


def sortable(matrix: Bytes) -> NDArray[np.bytes_]:
    """The rows as values that numpy sorts as byte strings; as all have one length, zeros at the end do no harm."""
    return np.ascontiguousarray(matrix).view(f"S{matrix.shape[1]}").ravel()


def buckets(matrix: Bytes, count: int) -> NDArray[np.int64]:
    """A number below `count` for each row, from its first eight bytes, which are to be a hash's."""
    numbers = np.ascontiguousarray(matrix[:, :8]).view(">u8").ravel()
    return (numbers.astype(np.uint64) % np.uint64(count)).astype(np.int64)
