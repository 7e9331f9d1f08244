"""Bytes to text, by the encoding that a browser would choose, else by detection. Never raises.

In this order: a byte-order mark; the charset of the HTTP header; a `meta` in the first 1,024 bytes (WHATWG, "prescan a
byte stream to determine its encoding"); a later `meta`, which browsers obey, too; valid UTF-8; detection by chardet;
windows-1252. Text that is surely UTF-8 overrides a `meta`. A declared UTF-8 that is mostly invalid is detected instead.
What the chosen encoding cannot decode becomes U+FFFD. Linear in the page's length; detection reads 16 KiB.
"""

from __future__ import annotations

import codecs
import re

import chardet
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
    """The WHATWG name of the encoding that a `meta` in `html` declares; None without one."""
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
            if name and html[position - 1] == 0x3E:  # a truncated tag declares nothing
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
        encoding = webencodings.lookup(label)
    except (UnicodeError, ValueError):
        return None
    return None if encoding is None else str(encoding.name)


def encoding_in_content(content: str) -> str | None:
    """The encoding that a `Content-Type` names."""
    match = _CHARSET.search(content)
    label = match and (match[1] or match[2] or match[3])
    return encoding_of_label(label) if label else None


def _attributes(html: bytes, position: int) -> tuple[dict[str, str], int]:
    """The attributes from `position` to the end of the tag, the first of equal names; and the offset of that end."""
    attributes: dict[str, str] = {}
    size = len(html)
    while position < size:
        if html[position] in _SPACE:
            position += 1
            continue
        if html[position] == 0x3E:  # >
            return attributes, position + 1
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
        attributes.setdefault(name[0].decode("latin-1").lower(), text.decode("latin-1"))
    return attributes, position


def _of_meta(attributes: dict[str, str]) -> str | None:
    name = None
    if "charset" in attributes:
        name = encoding_of_label(attributes["charset"])
    elif "content" in attributes and attributes.get("http-equiv", "").lower() == "content-type":
        name = encoding_in_content(attributes["content"])
    if name in ("utf-16le", "utf-16be"):  # if the meta could be read as ASCII, this is not UTF-16
        return "utf-8"
    return "windows-1252" if name == "x-user-defined" else name


DETECTION_BYTES = 16 * 1024
HEAD_BYTES = 64 * 1024
"""Bytes searched for a late `meta`."""
BINARY_SHARE = 0.05
"""Share of control characters, without NULs, in the first bytes; a page with more is not text."""

CHANCE_BYTES = 32
"""Continuation bytes of valid UTF-8 that override a `meta`: pages converted to UTF-8 often keep their `meta`."""

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF32_MARKS = ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"))
"""Not in the WHATWG standard, where such pages are UTF-16. Tried first, since UTF-32LE begins as UTF-16LE does."""
_CODECS = {
    "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs", "euc-kr": "cp949", "shift_jis": "cp932",
    "iso-8859-8-i": "iso-8859-8", "x-mac-cyrillic": "mac-cyrillic", "macintosh": "mac-roman", "windows-874": "cp874",
    "x-user-defined": "windows-1252",
}  # fmt: skip
"""Python codecs for WHATWG names, where the name differs or the codec of that name decodes less than browsers do."""
_MAGIC = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"RIFF",
    b"\x00\x00\x01\x00",
    b"BM",
    b"OggS",
    b"ID3",
    b"\x7fELF",
)
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_NOT_TEXT = re.compile(
    r"\s*(?:image|audio|video|font)/|\s*application/(?:pdf|json|zip|gzip|octet-stream|javascript|msword|vnd\.)",
    re.IGNORECASE,
)


def is_html(html: bytes, content_type: str | None = None) -> bool:
    """Whether bytes may be a page: not if the header or the first bytes indicate another type."""
    if content_type and _NOT_TEXT.match(content_type):
        return False
    start = html[:1024]
    if start.startswith(_MAGIC) and b"<" not in start[:3]:
        return b"<html" in start.lower()
    return len(_CONTROLS.findall(start)) <= len(start) * BINARY_SHARE


def decode(html: bytes, content_type: str | None = None) -> tuple[str, str]:
    """The text of `html` without NULs, and the name of the Python codec that decoded it."""
    text, name = _decode(html, content_type)
    return (text.replace("\0", "") if "\0" in text else text), name


def _decode(html: bytes, content_type: str | None) -> tuple[str, str]:
    for mark, name in _UTF32_MARKS + _MARKS:
        if html.startswith(mark):
            return html[len(mark) :].decode(name, "replace"), name
    declared = encoding_in_content(content_type) if content_type else None
    if declared is None:
        declared = declared_encoding(html[:PRESCAN_BYTES])
        text = _utf8(html)
        if text is not None and _is_surely_utf8(html, text, declared):
            return text, "utf-8"
        declared = declared or declared_encoding(html[:HEAD_BYTES])
    if declared is not None:
        name = _CODECS.get(declared, declared)
        text = html.decode(name, "replace")
        if name != "utf-8" or "\ufffd" not in text or not _is_wrong(text):
            return text, name
    return _detected(html)


def _utf8(html: bytes) -> str | None:
    try:
        return html.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_surely_utf8(html: bytes, text: str, declared: str | None) -> bool:
    """Whether valid UTF-8 is not a coincidence: no `meta` contradicts, or there are enough continuation bytes."""
    if declared is None:  # ASCII bytes may be UTF-16 without a mark, or ISO-2022
        return "\0" not in text[:PRESCAN_BYTES] and "\x1b" not in text
    return declared == "utf-8" or len(html) - len(text) >= CHANCE_BYTES


def _is_wrong(text: str) -> bool:
    """Whether half of the characters beyond ASCII could not be decoded."""
    return text.count("\ufffd") * 2 > len(text) - len(text.encode("ascii", "ignore"))


def _detected(html: bytes) -> tuple[str, str]:
    first = re.search(rb"[\x80-\xff\x00\x1b]", html)
    start = max(0, first.start() - 2048) & ~3 if first else 0  # a multiple of four, for UTF-32
    name = chardet.detect(html[start : start + DETECTION_BYTES])["encoding"] or "windows-1252"
    name = _CODECS.get(name.lower(), name.lower())
    try:
        return html.decode(name, "replace"), name
    except (LookupError, UnicodeError, ValueError):
        return html.decode("windows-1252", "replace"), "windows-1252"
