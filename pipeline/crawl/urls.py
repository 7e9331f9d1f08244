"""Functions on URLs. A crawl has malformed URLs; none of these raises an error on them."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit


def without_fragment(url: str) -> str:
    """`url` as it is requested: without its fragment."""
    return url.partition("#")[0]


def host_of(url: str) -> str:
    """The host in lower case; empty if there is none or the URL is malformed."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # such as brackets without an IPv6 address
        return ""


def stable_number(name: str) -> int:
    """32 bits of the SHA-256 of `name` (`hash` differs from process to process)."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:4], "big")
