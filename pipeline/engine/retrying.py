"""Retries of operations on the store, for errors that may be transient."""

from __future__ import annotations

import errno
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

PAUSES_S = (0.1, 1.0, 5.0)
"""Seconds before each further attempt. A store's client retries requests itself; this is for what it gives up on."""
LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
FULL = (errno.ENOSPC, errno.EDQUOT)
LASTING_ERRNO = (*FULL, errno.EROFS, errno.ENAMETOOLONG)


def may_pass(error: BaseException) -> bool:
    """Whether `error` may be a transient failure of a store or a network."""
    return isinstance(error, OSError) and not isinstance(error, LASTING) and error.errno not in LASTING_ERRNO


class StoreFailed(RuntimeError):
    """The store is full, or failed in several attempts; the run can resume once it works."""


@contextmanager
def store_failures(path: str) -> Iterator[None]:
    """Turn transient OSErrors and those of a full store at `path` into `StoreFailed`, which says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreFailed(
                f"{path} is full ({error.strerror}); make room, then run the same command again to resume"
            ) from error
        if may_pass(error):
            raise StoreFailed(
                f"{path} could not be read or written in {len(PAUSES_S) + 1} attempts ({type(error).__name__}: "
                f"{error}); once the store works, run the same command again to resume"
            ) from error
        raise


def retried(operation: Callable[P, R]) -> Callable[P, R]:
    """`operation`, which must be idempotent, retried after a transient OSError."""

    @functools.wraps(operation)
    def retrying(*args: P.args, **kwargs: P.kwargs) -> R:
        for pause in PAUSES_S:
            try:
                return operation(*args, **kwargs)
            except OSError as error:
                if not may_pass(error):
                    raise
            time.sleep(pause)
        return operation(*args, **kwargs)

    return retrying
