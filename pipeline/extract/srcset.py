"""`srcset` attributes: the candidates and the one to take (WHATWG, "parse a srcset attribute")."""

from __future__ import annotations

import re

_CANDIDATE = re.compile(r"[\s,]*([^\s,][^\s]*)\s*([^,(]*(?:\([^)]*\)[^,(]*)*)(?:,|\Z)")
"""An address runs to white space, so commas inside it belong to it; a descriptor runs to the next comma."""


def candidates(srcset: str) -> list[tuple[str, float]]:
    """`(address, size)` of each candidate; size is pixels for `w`, 1000 x density for `x`; 0 if unreadable.

    The scale of the two differs, but one `srcset` has only one of them.
    """
    found: list[tuple[str, float]] = []
    position, end = 0, len(srcset)
    while position < end:
        match = re.compile(r"[\s,]*([^\s,]\S*)").match(srcset, position)
        if not match:
            break
        address, position = match[1], match.end()
        if address.endswith(","):  # no descriptor: the comma ends the candidate
            found.append((address.rstrip(","), 1000.0))
            continue
        stop = srcset.find(",", position)
        stop = end if stop < 0 else stop
        found.append((address, _size(srcset[position:stop])))
        position = stop + 1
    return found


def _size(descriptor: str) -> float:
    words = descriptor.split()
    if not words:
        return 1000.0
    for word in words:
        try:
            if word[-1] in "wW":
                return float(word[:-1])
            if word[-1] in "xX":
                return 1000.0 * float(word[:-1])
        except ValueError:
            return 0.0
    return 0.0


def largest(srcset: str) -> str | None:
    """The address of the largest candidate; the first of equals; None if there is none."""
    best, best_size = None, -1.0
    for address, size in candidates(srcset):
        if size > best_size:
            best, best_size = address, size
    return best
