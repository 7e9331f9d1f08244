"""What the crawler of the sample crawl asked for and what it was answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its response."""

    url: str
    body: bytes
    content_type: str
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    """Of the response, next to its type and length."""
    transfer: str = ""
    """`gzip` or `chunked`: how the body travels, as the archive then holds it."""
