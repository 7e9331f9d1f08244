"""A queue of parts: in order, one at a time for each exclusive key, and failed ones again after a pause."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar


class _Exclusive(Protocol):
    @property
    def exclusive_key(self) -> str | None: ...


T = TypeVar("T", bound=_Exclusive)


class PartQueue(Generic[T]):
    """Hands out parts, each with the number of its attempt, in constant time (logarithmic for paused ones)."""

    def __init__(self, parts: Iterable[T], clock: Callable[[], float] = time.monotonic):
        self._free = deque((part, 1) for part in parts)
        self._later: list[tuple[float, int, T, int]] = []
        """A heap by the time at which a part may run again; numbered, so that parts are never compared."""
        self._clock, self._numbers = clock, itertools.count()
        self._behind: dict[str, deque[tuple[T, int]]] = {}
        """By the exclusive key of a running part: the parts that wait for it to end."""

    def take(self) -> tuple[T, int] | None:
        """The next part that may run now; None if all are handed out, paused or waiting for another one to end."""
        while self._later and self._later[0][0] <= self._clock():
            self._free.append(heapq.heappop(self._later)[2:])
        while self._free:
            part, number = self._free.popleft()
            if part.exclusive_key is None:
                return part, number
            if part.exclusive_key not in self._behind:
                self._behind[part.exclusive_key] = deque()
                return part, number
            self._behind[part.exclusive_key].append((part, number))
        return None

    def done(self, part: T) -> None:
        """Note that `part` has ended, so that the next one with its exclusive key may run."""
        if part.exclusive_key is not None:
            self._free.extendleft(reversed(self._behind.pop(part.exclusive_key)))

    def again(self, part: T, number: int, *, pause_s: float = 0.0) -> None:
        """Queue a failed part for attempt `number`, which begins after the pause at the earliest."""
        self.done(part)
        if pause_s:
            heapq.heappush(self._later, (self._clock() + pause_s, next(self._numbers), part, number))
        else:
            self._free.append((part, number))

    @property
    def seconds_to_next(self) -> float | None:
        """Seconds until the next pause is over; None if no part is paused."""
        return max(0.0, self._later[0][0] - self._clock()) if self._later else None
