"""Metrics of short answers: exact match, the agreement of iVQA, and VQA accuracy.

VQA accuracy is the official rule (Antol et al., arXiv 1505.00468; Goyal et al., arXiv 1612.00837): an answer scores
min(matches / 3, 1) against each nine of the ten human answers, and the mean over the ten counts. Both sides are first
normalised, in the order and with the quirks of the published evaluation (VQAEval), which comments name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PUNCTUATION = re.compile(r"[^\w\s']|_")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
AGREEING = 2
"""Annotators of iVQA who must agree for a full score (Yang et al., arXiv 2012.00451, section 5)."""


def plain(answer: str) -> str:
    """Lower case, without punctuation and articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", answer.lower())).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 if the answer equals one of the references, both made `plain`; else 0.

    Deviation from the top-1 accuracy of MSRVTT-QA and MSVD-QA as classifiers report it: their answers are classes
    of a closed vocabulary; here the answer is generated text, so case, articles and punctuation do not count.
    """
    return float(plain(answer) in {plain(reference) for reference in references})


def agreement(answer: str, references: Sequence[str]) -> float:
    """iVQA: half the number of annotators (of five) who gave this answer, at most 1."""
    wanted = plain(answer)
    return min(1.0, sum(plain(reference) == wanted for reference in references) / AGREEING)


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
"""Contractions; an answer that lacks one of their apostrophes gets it back."""

_ODD = {"somebody'd": "somebodyd", "ow's'at": "'ow's'at", "'ows'at": "'ow's'at", "'ow'sat": "'ow's'at"}
"""As published; the first is the wrong way round."""


def _contractions() -> dict[str, str]:
    contractions = dict(_ODD)
    for word in _WITH_APOSTROPHE:
        for position, letter in enumerate(word):
            if letter == "'":
                contractions[word[:position] + word[position + 1 :]] = word
    return contractions


CONTRACTIONS = _contractions()
_PERIOD = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIODS = 32
"""The published code passes a flag as the number of replacements, so it removes at most so many periods."""


def normalise(answer: str) -> str:
    """As VQAEval: punctuation, lower case, number words, articles, contractions."""
    return _words(_punctuation(answer))


def vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """VQA accuracy, 0 to 1, of one answer against the human answers (ten in VQAv2).

    As published, nothing is normalised if all humans gave the same answer: then the answer must equal theirs exactly.
    """
    answer, given = _flat(answer), [_flat(reference) for reference in references]
    if len(set(given)) > 1:
        answer, given = normalise(answer), [normalise(reference) for reference in given]
    matches = sum(reference == answer for reference in given)
    # Without a human who agrees there is one match less.
    each = [min(1.0, (matches - (reference == answer)) / 3) for reference in given]
    return sum(each) / len(each)


def _flat(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def _punctuation(text: str) -> str:
    """Remove marks beside a space, and all marks if a number has a comma; replace the others by a space."""
    number, result = _COMMA_IN_NUMBER.search(text) is not None, text
    for mark in PUNCTUATION:
        beside = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if beside or number else " ")
    return _PERIOD.sub("", result, count=_PERIODS)


def _words(text: str) -> str:
    words = (DIGITS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
