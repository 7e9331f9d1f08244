"""The encoding that a page's first bytes declare: WHATWG, "prescan a byte stream to determine its encoding"."""

from __future__ import annotations

import re

import webencodings

PRESCAN_BYTES = 1024

_SPACE = b"\t\n\x0c\r /"
_META = re.compile(rb"<meta[\s/]", re.IGNORECASE)
_TAG = re.compile(rb"</?[a-zA-Z][^\s>]*")
_SKIPPED = re.compile(rb"<[!/?][^>]*(?:>|\Z)")
_NAME = re.compile(rb"[^\s/>=]+")
_VALUE = re.compile(rb"\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))?")
_CHARSET = re.compile(r"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+)(?!['\"]))", re.IGNORECASE)


def declared_encoding(html: bytes) -> str | None:
    """The WHATWG name of the encoding that a `meta` in `html` declares, None if none does."""
    position = 0
    while (position := html.find(b"<", position)) >= 0:
        if html.startswith(b"<!--", position):
            end = html.find(b"-->", position + 2)
            if end < 0:
                return None
            position = end + 3
        elif _META.match(html, position):
            attributes, position = _attributes(html, position + 5)
            name = _of_meta(attributes)
            if name and html[position - 1] == 0x3E:  # a tag that is cut off declares nothing
                return name
        elif tag := _TAG.match(html, position):
            _, position = _attributes(html, tag.end())
        elif skipped := _SKIPPED.match(html, position):
            position = skipped.end()
        else:
            position += 1
    return None


def encoding_of_label(label: str) -> str | None:
    """The WHATWG name of the encoding with this label; None if there is none."""
    try:
        found = webencodings.lookup(label)
    except (UnicodeError, ValueError):
        return None
    return None if found is None else str(found.name)


def encoding_in_content(content: str) -> str | None:
    """The encoding that a `Content-Type` names."""
    match = _CHARSET.search(content)
    label = match and (match[1] or match[2] or match[3])
    return encoding_of_label(label) if label else None


def _attributes(html: bytes, position: int) -> tuple[dict[str, str], int]:
    """The attributes from `position` to the end of the tag, the first of equal names; and where the tag ends."""
    found: dict[str, str] = {}
    size = len(html)
    while position < size:
        if html[position] in _SPACE:
            position += 1
            continue
        if html[position] == 0x3E:  # >
            return found, position + 1
        name = _NAME.match(html, position)
        if name is None:  # a stray =
            position += 1
            continue
        position = name.end()
        value = _VALUE.match(html, position)
        text = b""
        if value is not None:
            position = value.end()
            text = value[1] or value[2] or value[3] or b""
        found.setdefault(name[0].decode("latin-1").lower(), text.decode("latin-1"))
    return found, position


def _of_meta(attributes: dict[str, str]) -> str | None:
    name = None
    if "charset" in attributes:
        name = encoding_of_label(attributes["charset"])
    elif "content" in attributes and attributes.get("http-equiv", "").lower() == "content-type":
        name = encoding_in_content(attributes["content"])
    if name in ("utf-16le", "utf-16be"):  # what could be read as ASCII is not UTF-16
        return "utf-8"
    return "windows-1252" if name == "x-user-defined" else name
