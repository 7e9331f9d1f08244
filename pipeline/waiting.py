"""Parts that wait for their turn: in order, but of one owner only one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class _Owned(Protocol):
    @property
    def owner(self) -> str | None: ...


T = TypeVar("T", bound=_Owned)


class Waiting(Generic[T]):
    """Gives parts with the number of their attempt; each is given and given back in constant time."""

    def __init__(self, parts: Iterable[T]):
        self._free = deque((part, 1) for part in parts)
        self._behind: dict[str, deque[tuple[T, int]]] = {}
        """For each owner that has a part at work: the parts that wait for it."""

    def take(self) -> tuple[T, int] | None:
        """The next part that may run now; None if there is none, for good or until one is given back."""
        while self._free:
            part, number = self._free.popleft()
            if part.owner is None:
                return part, number
            if part.owner not in self._behind:
                self._behind[part.owner] = deque()
                return part, number
            self._behind[part.owner].append((part, number))
        return None

    def done(self, part: T) -> None:
        """`part` is no longer at work."""
        if part.owner is not None:
            self._free.extendleft(reversed(self._behind.pop(part.owner)))

    def again(self, part: T, number: int) -> None:
        """`part` failed: it waits for attempt `number`."""
        self.done(part)
        self._free.append((part, number))
