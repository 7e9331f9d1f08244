"""How a document is a text, and what its lines, paragraphs, words and sentences are. Defined here and nowhere else.

A document's text is its text nodes, joined by a blank line. A paragraph is what stands between blank lines, a line what
stands between line breaks; both without white space at the ends, and none is empty. A word is what stands between white
space, as Dolma and RedPajama have it; the papers of Gopher and C4 do not say. In scripts that put no space between
words (Han, Kana, Thai, Lao, Khmer, Burmese, Tibetan) every character is a word. A sentence ends with . ! ? … (or
their like in other scripts) and closing quotes before white space, or with the line.
"""

from __future__ import annotations

import re

from m3w.schemas.document import InterleavedDocument

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f40-\u0fbc\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""A character of a script without spaces between words."""
_SENTENCE_END = re.compile(r"[.!?…؟।۔。！？\n](?:(?<=\n)\s*|(?<=[。！？])[”’」』）]*\s*|[\"'”’»)\]]*\s+)(?=\S)")
"""Starts with one class of characters, which `re` looks for quickly."""


def document_text(document: InterleavedDocument) -> str:
    return "\n\n".join([text for text in document.texts if text is not None])


def words_of(text: str) -> list[str]:
    """The words of `text` in order, with case and punctuation as they stand."""
    if not text.isascii() and UNSPACED.search(text):
        text = UNSPACED.sub(r" \g<0> ", text)
    return text.split()


def lines_of(text: str) -> list[str]:
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def paragraphs_of(text: str) -> list[str]:
    return [stripped for paragraph in text.split("\n\n") if (stripped := paragraph.strip())]


def count_sentences(text: str) -> int:
    """0 for a text of white space; abbreviations and numbered lists count as they look."""
    text = text.strip()
    return len(_SENTENCE_END.findall(text)) + 1 if text else 0
