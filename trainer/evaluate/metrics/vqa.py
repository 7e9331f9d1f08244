"""VQA accuracy by the official rule (Antol et al., arXiv 1505.00468; Goyal et al., arXiv 1612.00837).

An answer counts min(matches / 3, 1) against each nine of the ten human answers, and the mean over the ten is taken.
Both sides are normalised first, in the order and with the quirks of the published evaluation (VQAEval); they are
named where they are. The result equals it on every input that the tests plant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

DIGITS = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
DIGITS["none"] = "0"
ARTICLES = ("a", "an", "the")
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'

_WITH_APOSTROPHE = [
    "ain't",
    "aren't",
    "can't",
    "could've",
    "couldn't",
    "couldn't've",
    "didn't",
    "doesn't",
    "don't",
    "hadn't",
    "hadn't've",
    "hasn't",
    "haven't",
    "he'd",
    "he'd've",
    "he's",
    "how'd",
    "how'll",
    "how's",
    "isn't",
    "it'd",
    "it'd've",
    "it'll",
    "ma'am",
    "mightn't",
    "mightn't've",
    "might've",
    "mustn't",
    "must've",
    "needn't",
    "not've",
    "o'clock",
    "oughtn't",
    "shan't",
    "she'd've",
    "should've",
    "shouldn't",
    "shouldn't've",
    "somebody'd've",
    "somebody'll",
    "somebody's",
    "someone'd",
    "someone'd've",
    "someone'll",
    "someone's",
    "something'd",
    "something'd've",
    "something'll",
    "that's",
    "there'd",
    "there'd've",
    "there're",
    "there's",
    "they'd",
    "they'd've",
    "they'll",
    "they're",
    "they've",
    "'twas",
    "wasn't",
    "we'd've",
    "we've",
    "weren't",
    "what'll",
    "what're",
    "what's",
    "what've",
    "when's",
    "where'd",
    "where's",
    "where've",
    "who'd",
    "who'd've",
    "who'll",
    "who's",
    "who've",
    "why'll",
    "why're",
    "why's",
    "won't",
    "would've",
    "wouldn't",
    "wouldn't've",
    "y'all",
    "y'all'll",
    "y'all'd've",
    "you'd",
    "you'd've",
    "you'll",
    "you're",
    "you've",
]
"""Contractions that are written in full where one of their apostrophes is missing."""

_ODD = {"somebody'd": "somebodyd", "ow's'at": "'ow's'at", "'ows'at": "'ow's'at", "'ow'sat": "'ow's'at"}
"""As published, the first the wrong way round."""


def _contractions() -> dict[str, str]:
    found = dict(_ODD)
    for word in _WITH_APOSTROPHE:
        for at, letter in enumerate(word):
            if letter == "'":
                found[word[:at] + word[at + 1 :]] = word
    return found


CONTRACTIONS = _contractions()
_PERIOD = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIODS = 32
"""The published code hands a flag where the number of replacements stands, so it removes so many periods at most."""


def normalise(answer: str) -> str:
    """As VQAEval: punctuation, lower case, number words, articles, contractions."""
    return _words(_punctuation(answer))


def vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """In 0 to 1, of one answer against the human answers (ten in VQAv2).

    Nothing is normalised where all humans gave the same answer, as published: then the answer must be theirs
    to the letter.
    """
    answer, given = _flat(answer), [_flat(reference) for reference in references]
    if len(set(given)) > 1:
        answer, given = normalise(answer), [normalise(reference) for reference in given]
    matches = sum(reference == answer for reference in given)
    # Leaving out a human who agrees leaves one match less.
    each = [min(1.0, (matches - (reference == answer)) / 3) for reference in given]
    return sum(each) / len(each)


def _flat(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def _punctuation(text: str) -> str:
    """A mark beside a space goes; one between letters becomes a space; with a comma in a number all marks go."""
    number, result = _COMMA_IN_NUMBER.search(text) is not None, text
    for mark in PUNCTUATION:
        beside = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if beside or number else " ")
    return _PERIOD.sub("", result, count=_PERIODS)


def _words(text: str) -> str:
    words = (DIGITS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
