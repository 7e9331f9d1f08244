"""Addresses as written in a page to URLs that can be fetched, and the choice among the candidates of a `srcset`."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

LONGEST_ADDRESS = 4096
"""Characters; servers refuse longer ones."""

_CONTROL = re.compile(r"[\t\n\r]")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_ASCII_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]*\Z")
_SAFE = "!#$%&'()*+,-./:;=?@_~[]"
_COUNTED_SCHEMES = frozenset(("javascript", "blob", "file", "about"))


class RejectedUrlError(ValueError):
    """An address that cannot be fetched; the message is the reason under which it is counted, `url_...`."""


def resolve(base: str, address: str) -> str:
    """`address`, relative to `base`, as an absolute http(s) URL in ASCII. Raises `RejectedUrlError`."""
    if len(address) > LONGEST_ADDRESS:
        raise RejectedUrlError("url_too_long")
    address = _CONTROL.sub("", address).strip()
    if not address:
        raise RejectedUrlError("url_empty")
    scheme = _SCHEME.match(address)
    if scheme:
        name = scheme[1].lower()
        if name == "data":
            raise RejectedUrlError("url_data")
        if name not in ("http", "https"):
            raise RejectedUrlError(f"url_{name}" if name in _COUNTED_SCHEMES else "url_other_scheme")
    try:
        absolute = urljoin(base, address)
        parts = urlsplit(absolute)
        host = parts.hostname
        parts.port  # noqa: B018  (raises ValueError for a port that is not a number)
    except ValueError:
        raise RejectedUrlError("url_malformed") from None
    if parts.scheme not in ("http", "https") or not host:
        raise RejectedUrlError("url_malformed")
    if _ASCII_URL.match(absolute):
        return absolute
    return _escape(absolute)


def _escape(absolute: str) -> str:
    parts = urlsplit(absolute)
    try:
        netloc = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode("ascii")
    except UnicodeError:
        raise RejectedUrlError("url_malformed") from None
    if re.search(r"[\s<>\"\\^`{|}]", netloc):
        raise RejectedUrlError("url_malformed")
    pieces = (quote(piece.encode("utf-8", "replace"), safe=_SAFE) for piece in parts[2:])
    return urlunsplit((parts.scheme, netloc, *pieces))


_ADDRESS = re.compile(r"[\s,]*([^\s,]\S*)")
"""An address ends at white space, so it may contain commas."""
DENSITY_SCALE = 1000.0
ENOUGH_WIDTH = 512.0
"""Pixels; the smallest candidate of at least this width is taken. Models see 224 to 448 pixels per side."""


def candidates(srcset: str) -> list[tuple[str, float]]:
    """`(address, size)` of each candidate, in order (WHATWG, "parse a srcset attribute").

    Size is in pixels for `w`, 1000 x the density for `x` or no descriptor, 0 if malformed. A `srcset` has only one kind
    of descriptor, so its sizes are comparable.
    """
    sizes: list[tuple[str, float]] = []
    position, end = 0, len(srcset)
    while position < end:
        match = _ADDRESS.match(srcset, position)
        if match is None:
            break
        address, position = match[1], match.end()
        if address.endswith(","):  # no descriptor: the comma ends the candidate
            sizes.append((address.rstrip(","), DENSITY_SCALE))
            continue
        stop = srcset.find(",", position)
        stop = end if stop < 0 else stop
        sizes.append((address, _size(srcset[position:stop])))
        position = stop + 1
    return sizes


def _size(descriptor: str) -> float:
    for word in descriptor.split():
        try:
            if word[-1] in "wW":
                return float(word[:-1])
            if word[-1] in "xX":
                return DENSITY_SCALE * float(word[:-1])
        except ValueError:
            return 0.0
    return DENSITY_SCALE if not descriptor.strip() else 0.0


def best(srcset: str) -> str | None:
    """The address of the smallest candidate of at least `ENOUGH_WIDTH`, else of the largest; None without one."""
    sizes = [(size, address) for address, size in candidates(srcset) if not address.startswith("data:")]
    if not sizes:
        return None
    enough = [candidate for candidate in sizes if candidate[0] >= ENOUGH_WIDTH]
    return min(enough, key=lambda c: c[0])[1] if enough else max(sizes, key=lambda c: c[0])[1]


def width_of(srcset: str, address: str) -> float | None:
    """The size of `address` in `srcset`; None if it is not a candidate."""
    return next((size for name, size in candidates(srcset) if name == address), None)
