"""Caption metrics as the COCO caption evaluation computes them: words, BLEU, ROUGE-L, CIDEr-D and METEOR.

Chen et al., arXiv 1504.00325.
`tokenise` splits captions into words without Java. There, Stanford's PTBTokenizer 3.4.1 splits the text like the Penn
Treebank, lower-cased, and punctuation is left out. This does the same for what captions and short answers consist of;
docs/evaluation.md says on how many lines they agree. The metrics take captions whose words are separated by spaces,
each beside its references, and equal coco-caption's published scores to 1e-6.
"""

from __future__ import annotations

import html
import math
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

Ngram = tuple[str, ...]
LONGEST = 4
"""The longest n-grams of BLEU and CIDEr, words."""
TINY, SMALL = 1e-15, 1e-9
"""Added to BLEU's matches and totals, so that a corpus without a match scores nearly 0 and nothing is divided by 0."""
BETA = 1.2
"""ROUGE-L weighs recall so many times as precision."""
SIGMA, SCALE = 6.0, 10.0
"""CIDEr-D's penalty on the length, words; and its factor."""
LEFT_OUT = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Punctuation that the evaluation drops. It means to drop brackets, too, but in capitals, so lower-cased ones stay."""

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
    """The tokens of one line, lower-cased, with punctuation."""
    text = html.unescape(text).translate(_ALIKE).lower()
    text = re.sub(r'(^|[\s(\[{])"', r"\1 `` ", text).replace('"', " '' ")
    text = re.sub(r"(^|[\s(\[{])'(?=\w)(?!(?:\d0s|n'|tis\b|twas\b|s\b|m\b|d\b|re\b|ve\b|ll\b))", r"\1 ` ", text)
    return [BRACKETS.get(token, token) for part in text.split() for token in _tokens(part)]


def _tokens(part: str) -> list[str]:
    return ["``"] if part == "``" else _TOKEN.findall(part)


def tokenise(caption: str) -> str:
    """The words of a caption, separated by spaces, without the punctuation that the evaluation drops."""
    return " ".join(token for token in split_words(caption) if token not in LEFT_OUT)


def count_ngrams(words: list[str]) -> Counter[Ngram]:
    """The count of every n-gram of 1 to `LONGEST` words."""
    return Counter(
        tuple(words[start : start + n]) for n in range(1, LONGEST + 1) for start in range(len(words) - n + 1)
    )


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """BLEU-1 to BLEU-4 of the corpus, each in 0 to 1 (Papineni et al., 2002).

    The brevity penalty compares a caption with the reference nearest in length; of two, with the shorter one.
    """
    matched, total = [0] * LONGEST, [0] * LONGEST
    length, reference_length = 0, 0
    for candidate, others in zip(candidates, references, strict=True):
        words, split_references = candidate.split(), [other.split() for other in others]
        length += len(words)
        reference_length += min((abs(len(other) - len(words)), len(other)) for other in split_references)[1]
        for ngram, count in _clipped(words, split_references).items():
            matched[len(ngram) - 1] += count
        for n in range(1, LONGEST + 1):
            total[n - 1] += max(0, len(words) - n + 1)
    ratio = (length + TINY) / (reference_length + SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = [], 1.0
    for n in range(1, LONGEST + 1):
        product *= (matched[n - 1] + TINY) / (total[n - 1] + SMALL)
        scores.append(product ** (1 / n) * brevity)
    return scores


def _clipped(words: list[str], references: list[list[str]]) -> dict[Ngram, int]:
    """The matches of each n-gram: at most its count in one reference."""
    counts = [count_ngrams(reference) for reference in references]
    return {
        ngram: min(count, max((other[ngram] for other in counts), default=0))
        for ngram, count in count_ngrams(words).items()
    }


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """The mean, and each caption's ROUGE-L in 0 to 1: the longest common subsequence with any reference (Lin, 2004).

    The best precision and the best recall over the references are combined, even if they are of two references.
    """
    scores = [_rouge(candidate, others) for candidate, others in zip(candidates, references, strict=True)]
    return float(np.mean(scores)) if scores else 0.0, scores


def _rouge(candidate: str, references: Sequence[str]) -> float:
    words = candidate.split(" ")  # an empty caption is one empty word, as in coco-caption
    common = [(common_length(reference.split(" "), words), len(reference.split(" "))) for reference in references]
    precision = max(length / len(words) for length, _ in common)
    recall = max(length / reference_length for length, reference_length in common)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for column, theirs in enumerate(other, 1):
            above = row[column]
            row[column] = diagonal + 1 if word == theirs else max(above, row[column - 1])
            diagonal = above
    return row[-1]


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """The mean, and each caption's CIDEr-D (papers print 1.0 as 100; Vedantam et al., arXiv 1411.5726).

    The cosine of tf-idf vectors of 1- to 4-grams, with counts clipped to the reference's and a Gaussian penalty on the
    difference in length; times 10. Document frequencies are those of the references given here, so a score belongs to
    its set of images; with a single image all weights are 0, as in coco-caption.
    """
    counted = [[count_ngrams(reference.split()) for reference in others] for others in references]
    frequencies = Counter(ngram for others in counted for ngram in {ngram for counts in others for ngram in counts})
    images = math.log(max(1, len(counted)))
    scores = []
    for candidate, others in zip(candidates, counted, strict=True):
        vector = _TfIdf(count_ngrams(candidate.split()), frequencies, images)
        total = sum(vector.similarity(_TfIdf(counts, frequencies, images)) for counts in others)
        scores.append(SCALE * total / len(others))
    return float(np.mean(scores)) if scores else 0.0, scores


class _TfIdf:
    """A caption's n-grams by length, each with its term frequency times its inverse document frequency."""

    def __init__(self, counts: Counter[Ngram], frequencies: Counter[Ngram], images: float) -> None:
        self.weights: list[dict[Ngram, float]] = [{} for _ in range(LONGEST)]
        for ngram, count in counts.items():
            self.weights[len(ngram) - 1][ngram] = count * (images - math.log(max(1, frequencies[ngram])))
        self.norms = [math.sqrt(sum(weight**2 for weight in weights.values())) for weights in self.weights]
        self.length = sum(count for ngram, count in counts.items() if len(ngram) == 2)  # as coco-caption measures it

    def similarity(self, reference: _TfIdf) -> float:
        """The mean over n of the clipped cosine with the reference, times the penalty."""
        penalty = math.exp(-((self.length - reference.length) ** 2) / (2 * SIGMA**2))
        total = 0.0
        for ours, theirs, our_norm, their_norm in zip(
            self.weights, reference.weights, self.norms, reference.norms, strict=True
        ):
            product = sum(
                min(weight, theirs.get(ngram, 0.0)) * theirs.get(ngram, 0.0) for ngram, weight in ours.items()
            )
            total += product / (our_norm * their_norm) if our_norm and their_norm else product
        return penalty * total / LONGEST


def why_no_meteor() -> str | None:
    """What METEOR lacks on this machine; None if nothing."""
    if shutil.which("java") is None:
        return "there is no `java` on this machine"
    if find_spec("pycocoevalcap") is None:
        return "the package pycocoevalcap is not installed (pip install 'm3w[eval]')"
    return None


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """METEOR 1.5 of the corpus, in 0 to 1 (Denkowski and Lavie, 2014), by its authors' Java program in pycocoevalcap.

    Raises RuntimeError if Java or the package is missing: see `why_no_meteor`.
    """
    missing = why_no_meteor()
    if missing is not None:
        raise RuntimeError(f"METEOR cannot be computed: {missing}")
    from pycocoevalcap.meteor.meteor import Meteor

    program: Any = Meteor()
    by_number = {str(number): list(others) for number, others in enumerate(references)}
    score, _ = program.compute_score(by_number, {str(number): [caption] for number, caption in enumerate(candidates)})
    return float(score)
