"""Signals and rules against datatrove's Gopher and C4 filters, on the same texts.

    python -m benchmarks.filters [--rounds N] [--data ../shared]

The texts are extracted by this pipeline from the shared HTML pages and books. Ours measures all signals of a document,
including its language, and applies the rules of Gopher and C4. datatrove runs GopherRepetitionFilter,
GopherQualityFilter and C4QualityFilter in sequence and stops at the first that drops, as in its pipelines; its words
are spaCy's (`spacy.blank("en")`, nothing is downloaded). Each round times both on every fourth text, in one process and
thread; the ratio is the median over rounds. Agreement compares each filter's decisions on all texts, treated as
English, once with datatrove's own words and once with ours passed to it.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.command import options_parser, print_figures, require_data
from m3w.pipeline.extract import extract_page
from m3w.pipeline.filters.rules import Rule, broken
from m3w.pipeline.filters.signals import DOCUMENT
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.text import DocumentText, document_text, words_of
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage
from m3w.schemas.document import InterleavedDocument

FOLDERS = {
    "html/readability": "source.html", "html/trafilatura": "*.htm*", "html/postlight-parser": "*.htm*",
    "web/gitenberg": "*.htm*", "web/wikipedia-ray-charles": "*.htm*",
}  # fmt: skip
DUPLICATES = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
RULES: dict[str, dict[str, Rule]] = {
    "repetition": {
        "duplicate_paragraph_fraction": Rule(max=0.3),
        "duplicate_paragraph_character_fraction": Rule(max=0.2),
        "duplicate_line_fraction": Rule(max=0.3),
        "duplicate_line_character_fraction": Rule(max=0.2),
        "top_2gram_fraction": Rule(max=0.2),
        "top_3gram_fraction": Rule(max=0.18),
        "top_4gram_fraction": Rule(max=0.16),
        **{f"duplicate_{n}gram_fraction": Rule(max=most) for n, most in DUPLICATES.items()},
    },
    "quality": {
        "words": Rule(min=50, max=100_000),
        "mean_word_length": Rule(min=3, max=10),
        "hash_word_ratio": Rule(max=0.1),
        "ellipsis_word_ratio": Rule(max=0.1),
        "bullet_line_fraction": Rule(max=0.9),
        "ellipsis_line_fraction": Rule(max=0.3),
        "alphabetic_word_fraction": Rule(min=0.8),
        "stop_word_kinds": Rule(min=2),
    },
    "c4": {"lorem_ipsum": Rule(max=0), "c4_curly_brackets": Rule(max=0), "c4_sentences": Rule(min=5)},
}
_ENGLISH = ListsByLanguage().of("en")
TIMED = slice(None, None, 4)
Decisions = dict[str, list[str | None]]
"""By filter, for each text why it is dropped; None where it stays."""


def texts(shared: Path) -> list[str]:
    """The extracted texts of the shared pages."""
    texts = []
    for folder, pattern in FOLDERS.items():
        for path in sorted((shared / "data" / folder).rglob(pattern)):
            document = extract_page(path.read_bytes(), "http://fakehost/test/page.html")
            if isinstance(document, InterleavedDocument) and (text := document_text(document)):
                texts.append(text)
    return texts


def ours(text: str) -> dict[str, str | None]:
    """What the product does: all signals of a document, its language among them, and the rules."""
    document = InterleavedDocument(url="", texts=[text], images=[None], document_id="-")
    measure(document)
    return _reasons(document.signals)


def ours_in_english(text: str) -> dict[str, str | None]:
    """Why the rules of each filter drop the text by the English word lists: datatrove asks for one language, too."""
    document = InterleavedDocument(url="", texts=[text], images=[None], document_id="-")
    return _reasons(DOCUMENT.measure(DocumentText(document, _ENGLISH)))


def _reasons(signals: dict[str, float]) -> dict[str, str | None]:
    results = {name: broken(rules, signals) for name, rules in RULES.items()}
    return {name: result and result.reason for name, result in results.items()}


class Datatrove:
    """The peer's three filters for English, in the order of its FineWeb example."""

    def __init__(self) -> None:
        filters: Any = import_module("datatrove.pipeline.filters")
        self._document = import_module("datatrove.data").Document
        self.filters = {
            "repetition": filters.GopherRepetitionFilter(),
            "quality": filters.GopherQualityFilter(),
            "c4": filters.C4QualityFilter(),
        }

    def pipeline(self, text: str) -> None:
        document = self._document(text=text, id="-")
        for each in self.filters.values():
            if each.filter(document) is not True:
                return

    def decisions(self, text: str) -> dict[str, str | None]:
        results = {name: each.filter(self._document(text=text, id="-")) for name, each in self.filters.items()}
        return {name: None if result is True else str(result[1]) for name, result in results.items()}


@contextmanager
def our_words() -> Iterator[None]:
    """Hands datatrove's Gopher filters our words in place of spaCy's tokens, which count each mark as a word."""
    modules = ("gopher_quality_filter", "gopher_repetition_filter")
    first, second = (f"datatrove.pipeline.filters.{module}.split_into_words" for module in modules)
    with patch(first, lambda text, _: words_of(text)), patch(second, lambda text, _: words_of(text)):
        yield


def decisions(decide: Callable[[str], dict[str, str | None]], work: list[str]) -> Decisions:
    each = [decide(text) for text in work]
    return {name: [decision[name] for decision in each] for name in RULES}


def agreement(first: Decisions, second: Decisions) -> dict[str, float]:
    """By filter, the share of texts that both keep or both drop."""
    return {
        name: statistics.mean((a is None) == (b is None) for a, b in zip(first[name], second[name], strict=True))
        for name in RULES
    }


def disagreements(first: Decisions, second: Decisions) -> Counter[tuple[str, str, str]]:
    """How often which filter drops for which reason what the other keeps."""
    pairs = ((name, a or "kept", b or "kept") for name in RULES for a, b in zip(first[name], second[name], strict=True))
    return Counter(pair for pair in pairs if (pair[1] == "kept") != (pair[2] == "kept"))


def seconds(decide: Callable[[str], object], work: list[str]) -> float:
    start = time.perf_counter()
    for text in work:
        decide(text)
    return time.perf_counter() - start


def main() -> None:
    options = options_parser(__doc__, data=True).parse_args()
    require_data(options.data, "data")
    work, peer = texts(options.data), Datatrove()
    for text in work[:20]:
        ours(text), peer.decisions(text)
    rounds = []
    for number in range(options.rounds):  # a fresh text each time: datatrove keeps the words of the last five
        turn = [f"{text}{' ' * (number + 1)}" for text in work[TIMED]]
        rounds.append({"m3w": seconds(ours, turn), "datatrove": seconds(peer.pipeline, turn)})
        with our_words():
            rounds[-1]["datatrove, our words"] = seconds(peer.pipeline, [f"{text}\n" for text in turn])
    mine, theirs = decisions(ours_in_english, work), decisions(peer.decisions, work)
    with our_words():
        same_words = decisions(peer.decisions, [f"{text}\n" for text in work])
    show(rounds, work, agreement(mine, theirs), agreement(mine, same_words), disagreements(mine, same_words))
    ratio = statistics.median(times["datatrove"] / times["m3w"] for times in rounds)
    same = statistics.median(times["datatrove, our words"] / times["m3w"] for times in rounds)
    figures = {
        "ratio_to_datatrove": round(ratio, 2),
        "ratio_to_datatrove_our_words": round(same, 2),
        "documents_per_second": round(statistics.median(len(work[TIMED]) / times["m3w"] for times in rounds), 1),
        **{f"agreement_{name}": round(share, 4) for name, share in agreement(mine, same_words).items()},
    }
    print_figures("filters", figures, "one process")


def show(
    rounds: list[dict[str, float]],
    work: list[str],
    own_words: dict[str, float],
    same_words: dict[str, float],
    classes: Counter[tuple[str, str, str]],
) -> None:
    timed = work[TIMED]
    millions = sum(map(len, timed)) / 1e6
    print(f"{len(timed)} texts of {millions:.1f} M characters timed, medians of {len(rounds)} rounds\n")
    print(f"{'system':24s}{'documents/s':>12s}{'M characters/s':>16s}{'m3w is':>10s}")
    for name in rounds[0]:
        rate = statistics.median(len(timed) / times[name] for times in rounds)
        ratio = statistics.median(times[name] / times["m3w"] for times in rounds)
        print(f"{name:24s}{rate:12.1f}{rate * millions / len(timed):16.2f}{ratio:9.1f}x")
    print(f"\n{len(work)} texts judged\n{'same decision':24s}{'its words':>12s}{'our words':>16s}")
    for name in RULES:
        print(f"{name:24s}{own_words[name]:12.2%}{same_words[name]:16.2%}")
    print("\nDisagreements, datatrove given our words:")
    for (name, mine, theirs), count in sorted(classes.items(), key=lambda item: -item[1]):
        print(f"{count:6d}  {name:12s} m3w: {mine}, datatrove: {theirs}")
    print()


if __name__ == "__main__":
    main()
