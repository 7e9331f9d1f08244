"""Addresses as the page writes them to addresses that can be fetched.

`resolve` gives an absolute http(s) URL in ASCII, or a `Rejected` that names why there is none.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

LONGEST_ADDRESS = 4096
"""Characters; servers refuse more."""

_CONTROL = re.compile(r"[\t\n\r]")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_ASCII_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]]*\Z")
_SAFE = "!#$%&'()*+,-./:;=?@_~[]"
_COUNTED_SCHEMES = frozenset(("javascript", "blob", "file", "about"))


class RejectedUrlError(ValueError):
    """An address that cannot be fetched; the message is the reason to count, `url_...`."""


def resolve(base: str, address: str) -> str:
    """`address` made absolute against `base`; raises RejectedUrlError with the reason."""
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
        parts.port  # noqa: B018  (raises ValueError on a port that is no number)
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
