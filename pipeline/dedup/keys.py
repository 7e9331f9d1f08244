"""Keys: 16 bytes that are equal for what counts as the same page, text, paragraph or set of images.

A key is a hash (BLAKE2b) of a normal form. With 10^10 keys of 128 bits, the chance of one wrong pair is 10^-19.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes, urlsplit

from m3w.pipeline.crawl.urls import host_of, without_fragment

KEY_BYTES = 16
_INDEX = re.compile(r"/(?:index|default)\.(?:html?|php|aspx?|jsp)\Z", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def key(*parts: bytes) -> bytes:
    """The key of a sequence of byte strings; the lengths go in, so that no two sequences run into one another."""
    state = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def page_key(url: str, canonical: str | None) -> bytes:
    """The key of a page: of the address that it gives itself, where that lies on its own site, else of its own."""
    if canonical and site_of(canonical) == site_of(url) != "":
        url = canonical
    return key(normal_url(url).encode("utf-8", "surrogatepass"))


def normal_url(url: str) -> str:
    """`url` without what does not tell pages apart.

    Dropped: scheme, `www.`, user, the scheme's own port, fragment, slashes at the path's end, `/index.html` and the
    like, an empty query, the difference between an escaped and a plain byte. Kept: the case of the path and the
    whole query in its order, since servers may tell these apart.
    """
    try:
        parts = urlsplit(without_fragment(url).strip())
        port = parts.port
    except ValueError:  # brackets that hold no IPv6 address, a port that is no number
        return url
    shown = f":{port}" if port and port != _PORTS.get(parts.scheme) else ""
    path = _INDEX.sub("/", parts.path).rstrip("/")
    unescaped = unquote_to_bytes(path.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
    return f"{site_of(url)}{shown}{unescaped}{'?' if parts.query else ''}{parts.query}"


def site_of(url: str) -> str:
    """The host in lower case without `www.`; empty where there is none."""
    return host_of(url).removeprefix("www.")


def normal_text(text: str) -> str:
    """`text` in NFKC, case-folded, with one space for each run of white space. Digits and punctuation count."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        return " ".join(text.split())
    return " ".join(text.lower().split())


def text_key(texts: Iterable[str | None]) -> bytes | None:
    """The key of a document's text nodes, put together; None for a document without text, which is like no other."""
    whole = normal_text(" ".join(text for text in texts if text is not None))
    return key(whole.encode("utf-8", "surrogatepass")) if whole else None


def paragraph_key(site: str, text: str) -> bytes | None:
    """The key of one text node on a site; None if there is nothing in it."""
    whole = normal_text(text)
    return key(site.encode("utf-8", "surrogatepass"), whole.encode("utf-8", "surrogatepass")) if whole else None


def images_key(urls: Iterable[str]) -> bytes | None:
    """The key of the set of image URLs; None for the empty set."""
    distinct = sorted({without_fragment(url) for url in urls})
    return key(*(url.encode("utf-8", "surrogatepass") for url in distinct)) if distinct else None


def image_url_key(url: str) -> bytes:
    return key(without_fragment(url).encode("utf-8", "surrogatepass"))
