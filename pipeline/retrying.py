"""Operations on the store that are tried again, where what went wrong may have been a moment's trouble."""

from __future__ import annotations

import errno
import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

PAUSES_S = (0.1, 1.0, 5.0)
"""Seconds before each further try. Stores' own clients retry within a request; this is for what they give up."""
LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
LASTING_ERRNO = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG)


def may_pass(error: BaseException) -> bool:
    """Whether `error` may be a moment's trouble of a store or a network, rather than how things are."""
    return isinstance(error, OSError) and not isinstance(error, LASTING) and error.errno not in LASTING_ERRNO


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
