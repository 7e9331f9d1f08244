"""Captions to words as the COCO caption evaluation has them, without Java.

There, Stanford's PTBTokenizer 3.4.1 splits the text as the Penn Treebank is split, lower-cased, and marks are left out.
This does the same for what captions and short answers consist of; docs/evaluation.md says on how many lines they agree.
"""

from __future__ import annotations

import html
import re

LEFT_OUT = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Marks that the evaluation drops. Brackets it names in capitals, which no lower-cased token has: they stay."""

BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

_ALIKE = str.maketrans(
    {"’": "'", "‘": "`", "“": '"', "”": '"', "–": "-- ", "—": "-- ", "…": "...", "£": "#", "€": "$", "\u00a0": " "}
)
_TITLES = (
    "mr mrs ms dr prof rev gen sen rep gov capt lt col sgt st messrs mt ft ave blvd rd vs etc jr sr inc ltd co corp"
)
_MONTHS = "jan feb mar apr jun jul aug sep sept oct nov dec"
_ABBREVIATION = rf"(?:{'|'.join([*_TITLES.split(), *_MONTHS.split()])})\."
_NUMBER = r"[-+]?\d+(?:[.,:/\-]\d+)*"
_WORD = r"[^\W\d_][\w]*"
_JOINED = rf"{_WORD}(?:(?:[-./&_@](?=\w))\w+)*"
_TOKEN = re.compile(
    rf"""
    https?://\S*[\w/] | www\.\S*[\w/] | [\w.+-]+@[\w-]+\.[\w.-]*\w        # addresses
  | </?[a-z]\w*/?>                                                       # tags
  | {_ABBREVIATION}(?!\w) | no\.(?=\s*\d) | (?:[^\W\d_]\.)+(?:[^\W\d_]\.)  # abbreviations, initials
  | (?:can(?=not\b)|not(?<=cannot)\b|gon(?=na\b)|got(?=ta\b)|wan(?=na\b)|lem(?=me\b)|gim(?=me\b)
      |(?<=gon)na\b|(?<=got)ta\b|(?<=wan)na\b|(?<=lem)me\b|(?<=gim)me\b)
  | '(?=tis\b|twas\b)t | (?<='t)(?:is|was)\b
  | \w+(?=n't\b)(?<!\d) | n't\b                                          # do n't
  | '(?:s|m|d|re|ve|ll)\b | '\d0s\b | 'n'(?=\s|$)
  | [do]'[^\W\d_]\w*(?:-\w+)*                                            # o'brien
  | \d+(?:-\w+)+ | \d+[^\W\d_]\w*(?:-\w+)*                               # 3-year-old, 4x4
  | {_NUMBER}(?!\w) | [@#][^\W\d_]\w* | {_JOINED} | \w+
  | \.\.\.+ | --+ | [?!]+ | ''
  | \S
    """,
    re.VERBOSE,
)


def split_words(text: str) -> list[str]:
    """The tokens of one line, lower-cased, marks among them."""
    text = html.unescape(text).translate(_ALIKE).lower()
    text = re.sub(r'(^|[\s(\[{])"', r"\1 `` ", text).replace('"', " '' ")
    text = re.sub(r"(^|[\s(\[{])'(?=\w)(?!(?:\d0s|n'|tis\b|twas\b|s\b|m\b|d\b|re\b|ve\b|ll\b))", r"\1 ` ", text)
    return [BRACKETS.get(token, token) for part in text.split() for token in _tokens(part)]


def _tokens(part: str) -> list[str]:
    return ["``"] if part == "``" else _TOKEN.findall(part)


def tokenise(caption: str) -> str:
    """The words of a caption, separated by spaces, without the marks that the evaluation leaves out."""
    return " ".join(token for token in split_words(caption) if token not in LEFT_OUT)
