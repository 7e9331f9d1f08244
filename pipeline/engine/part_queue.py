"""A queue of parts: in order, of one exclusive key only one at a time, and after a pause where they failed."""

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
    """Gives parts with the number of their attempt; each is given and given back in constant time."""

    def __init__(self, parts: Iterable[T], clock: Callable[[], float] = time.monotonic):
        self._free = deque((part, 1) for part in parts)
        self._later: list[tuple[float, int, T, int]] = []
        """A heap of when a part may be tried again; numbered, so that parts are not compared."""
        self._clock, self._numbers = clock, itertools.count()
        self._behind: dict[str, deque[tuple[T, int]]] = {}
        """By exclusive key of a part that runs: the parts that wait for its end."""

    def take(self) -> tuple[T, int] | None:
        """The next part that may run now; None if there is none, for good or until one is given back or due."""
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
        """`part` has ended."""
        if part.exclusive_key is not None:
            self._free.extendleft(reversed(self._behind.pop(part.exclusive_key)))

    def again(self, part: T, number: int, *, pause_s: float = 0.0) -> None:
        """`part` failed: it waits for attempt `number`, which is not to begin before the pause is over."""
        self.done(part)
        if pause_s:
            heapq.heappush(self._later, (self._clock() + pause_s, next(self._numbers), part, number))
        else:
            self._free.append((part, number))

    @property
    def seconds_to_next(self) -> float | None:
        """Until a part's pause is over; None if none waits for that."""
        return max(0.0, self._later[0][0] - self._clock()) if self._later else None
