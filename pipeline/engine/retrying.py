"""Operations on the store that are tried again, where what went wrong may have been a moment's trouble."""

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
"""Seconds before each further try. Stores' own clients retry within a request; this is for what they give up."""
LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
FULL = (errno.ENOSPC, errno.EDQUOT)
LASTING_ERRNO = (*FULL, errno.EROFS, errno.ENAMETOOLONG)


def may_pass(error: BaseException) -> bool:
    """Whether `error` may be a moment's trouble of a store or a network, rather than how things are."""
    return isinstance(error, OSError) and not isinstance(error, LASTING) and error.errno not in LASTING_ERRNO


class StoreFailed(RuntimeError):
    """The store is full, or did not take what was asked of it in several tries; the run can go on when it does."""


@contextmanager
def store_failures(path: str) -> Iterator[None]:
    """OSErrors of the store at `path` as `StoreFailed`, which says what to do; others as they are."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreFailed(f"{path} is full ({error.strerror}); make room, and the same command goes on") from error
        if may_pass(error):
            raise StoreFailed(
                f"{path} could not be read or written in {len(PAUSES_S) + 1} tries ({type(error).__name__}: {error}); "
                "the same command goes on when it can"
            ) from error
        raise


def retried(operation: Callable[P, R]) -> Callable[P, R]:
    """`operation`, which may be done twice without harm, tried again after a passing OSError."""

    @functools.wraps(operation)
    def patient(*args: P.args, **kwargs: P.kwargs) -> R:
        for pause in PAUSES_S:
            try:
                return operation(*args, **kwargs)
            except OSError as error:
                if not may_pass(error):
                    raise
            time.sleep(pause)
        return operation(*args, **kwargs)

    return patient
