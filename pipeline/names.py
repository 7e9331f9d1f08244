"""Numbers from names, the same on every machine and in every Python."""

from __future__ import annotations

import hashlib


def stable_number(name: str) -> int:
    """32 bits of the SHA-256 of `name` (`hash` differs from process to process)."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:4], "big")
