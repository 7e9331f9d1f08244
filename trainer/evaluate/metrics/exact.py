"""Answers that are right or wrong: exact match, accuracy, and the agreement of iVQA."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PUNCTUATION = re.compile(r"[^\w\s']|_")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
AGREEING = 2
"""Annotators of iVQA who must have said the same for a full score (Yang et al., arXiv 2012.00451, section 5)."""


def plain(answer: str) -> str:
    """Lower case, without punctuation and articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", answer.lower())).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 if the answer is one of the references once both are `plain`, else 0.

    Deviation from the top-1 accuracy of MSRVTT-QA and MSVD-QA as classifiers report it: there the answer is a class
    of a closed vocabulary of plain words; here it is generated text, so case, articles and punctuation do not count.
    """
    return float(plain(answer) in {plain(reference) for reference in references})


def agreement(answer: str, references: Sequence[str]) -> float:
    """iVQA: the annotators (five) who gave this answer, halved, at most 1."""
    wanted = plain(answer)
    return min(1.0, sum(plain(reference) == wanted for reference in references) / AGREEING)
