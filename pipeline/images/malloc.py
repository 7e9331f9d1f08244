"""Memory that is freed stays with the process: a decoder asks for it again for the next picture.

glibc gives memory back to the system whenever some megabytes at the heap's end are free, and takes it anew, page by
page, for the next picture: hundreds of page faults a picture.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt(3)."""
KEPT_BYTES = 64 * 2**20
"""What stays with the process at most."""
IN_HEAP_BYTES = 4 * 2**20
"""A larger piece, such as the body of an answer, is taken from the system and given back at once: in the heap it would
leave a hole. Pillow takes pictures in pieces of 1 MiB."""


@functools.cache
def keep_freed_memory() -> None:
    """Once in a process. Without effect where the C library is not glibc."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, IN_HEAP_BYTES)
