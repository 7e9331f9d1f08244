"""Signals of texts: each by hand on a tiny text, and on texts that are odd or large."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from m3w.pipeline.filters.signals import DOCUMENT, DOCUMENT_SIGNALS, IMAGE, tables
from m3w.pipeline.filters.signals.text import DocumentText, count_sentences, covered, repeated_ngrams, words_of
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordListFiles, WordLists
from m3w.recipes.errors import InputError
from m3w.schemas.document import InterleavedDocument

LISTS = ListsByLanguage()
DOCS = Path(__file__).parents[3] / "docs"


def measured(text: str, lists: WordLists) -> dict[str, float]:
    document = InterleavedDocument(url="", texts=[text], images=[None], document_id="-")
    return DOCUMENT.measure(DocumentText(document, lists))


def signals(text: str, language: str = "en") -> dict[str, float]:
    return measured(text, LISTS.of(language))


def check(text: str, **expected: float) -> None:
    found = signals(text)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_every_signal_is_shown_in_the_guide() -> None:
    assert tables() in (DOCS / "filtering.md").read_text(), "paste m3w.pipeline.filters.signals.tables()"
    assert IMAGE.table() in (DOCS / "images.md").read_text(), "paste m3w.pipeline.filters.signals.IMAGE.table()"


def test_signals_stand_on_disk_in_the_order_that_published_datasets_have() -> None:
    assert (
        "words", "characters", "sentences", "text_nodes", "image_nodes",
        "mean_word_length", "hash_word_ratio", "ellipsis_word_ratio", "bullet_line_fraction", "ellipsis_line_fraction",
        "alphabetic_word_fraction", "stop_word_kinds",
        "duplicate_line_fraction", "duplicate_line_character_fraction",
        "duplicate_paragraph_fraction", "duplicate_paragraph_character_fraction",
        "top_2gram_fraction", "top_3gram_fraction", "top_4gram_fraction",
        *(f"duplicate_{n}gram_fraction" for n in range(5, 11)),
        "character_repetition", "word_repetition", "special_character_fraction", "punctuation_fraction",
        "stop_word_fraction", "common_word_fraction", "flagged_word_fraction",
        "curly_brackets", "c4_curly_brackets", "lorem_ipsum", "javascript_line_fraction", "terminal_line_fraction",
        "c4_sentences",
    ) == DOCUMENT_SIGNALS  # fmt: skip


# Words and sentences


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3.5 %, he said—twice.", ["It's", "3.5", "%,", "he", "said—twice."]),
        ("a\u00a0b\u3000c\n\nd", ["a", "b", "c", "d"]),
        ("東京は Tokyo です", ["東", "京", "は", "Tokyo", "で", "す"]),
        ("สวัสดี", list("สวัสดี")),
        ("한국어 단어", ["한국어", "단어"]),
        ("", []),
    ],
)
def test_words_stand_between_white_space_or_are_characters_of_scripts_without_it(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("  \n", 0),
        ("One", 1),
        ("One. Two! 'Three?' Four", 4),
        ("Version 1.2.3 is out.", 1),
        ("一。二！三", 3),
        ("a\n\nb.\nc", 3),
        ("a\n \nb", 2),
    ],
)
def test_sentences_end_with_a_mark_before_white_space_or_with_the_line(text: str, sentences: int) -> None:
    assert count_sentences(text) == sentences


# Gopher


def test_quality_of_words_and_lines() -> None:
    check(
        "- The cat, #1 ...\n• And that cat…\n5 100",
        words=11, mean_word_length=29 / 11, hash_word_ratio=1 / 11, ellipsis_word_ratio=2 / 11,
        bullet_line_fraction=2 / 3, ellipsis_line_fraction=2 / 3, alphabetic_word_fraction=5 / 11, stop_word_kinds=1,
    )  # fmt: skip


def test_lines_and_paragraphs_that_come_again() -> None:
    check(
        "aa\n\nbbbb\nccc\n\naa\n\naa",
        duplicate_line_fraction=2 / 5, duplicate_line_character_fraction=4 / 13,
        duplicate_paragraph_fraction=2 / 4, duplicate_paragraph_character_fraction=4 / 14,
    )  # fmt: skip


def test_the_commonest_ngram_is_counted_by_the_characters_it_covers() -> None:
    text = "a bb a bb ccc a bb"  # 18 characters; `a bb` three times
    check(text, top_2gram_fraction=9 / 18, top_3gram_fraction=4 / 18, top_4gram_fraction=6 / 18)
    check("x x x x", top_2gram_fraction=4 / 7)  # overlapping ones cover each word once
    check("one two", top_2gram_fraction=6 / 7, top_3gram_fraction=0)


def test_duplicate_ngrams_cover_what_was_met_before_each_character_once() -> None:
    once = "one two three four five six seven"
    check(once, duplicate_5gram_fraction=0)
    again = f"{once} {once}"
    characters = len(once.replace(" ", ""))
    check(
        again, **{f"duplicate_{n}gram_fraction": characters / len(again) for n in (5, 6, 7)}, duplicate_8gram_fraction=0
    )


def test_repeated_ngrams_are_those_that_counting_finds() -> None:
    random = Random(5)
    for length in (0, 1, 2, 7, 60, 300):
        words = np.array([random.randrange(3) for _ in range(length)], np.int64)
        found = {repeated.n: repeated for repeated in repeated_ngrams(words, 6)}
        for n in range(1, 7):
            grams = [tuple(words[i : i + n].tolist()) for i in range(length - n + 1)]
            counts = Counter(grams)
            starts = [i for i, gram in enumerate(grams) if counts[gram] > 1]
            assert (found[n].starts.tolist() if n in found else []) == starts
            if starts:
                assert [grams[i] for i in found[n].starts[found[n].later]] == [
                    g for i, g in enumerate(grams) if g in grams[:i]
                ]
                top = max(counts, key=lambda gram: (counts[gram], -grams.index(gram)))
                assert [grams[i] for i in found[n].top()] == [top] * counts[top]


def test_covered_counts_overlaps_once() -> None:
    ends = np.array([0, 1, 3, 6, 10, 15])
    assert covered(np.array([0, 1, 3]), 2, ends) == 15
    assert covered(np.array([], np.int64), 2, ends) == 0


# OBELICS


def test_repeated_runs_of_characters_are_those_that_counting_finds() -> None:
    random = Random(7)
    for text in ("abcdefghij" * 3, "x" * 50, "".join(random.choices("ab", k=400)), "🦊é" * 40, "short"):
        runs = Counter(text[i : i + 10] for i in range(len(text) - 9))
        often = sorted((count for count in runs.values() if count > 1), reverse=True)[: math.isqrt(len(runs))]
        assert signals(text)["character_repetition"] == pytest.approx(sum(often) / max(1, sum(runs.values())))


def test_words_are_looked_up_without_case_marks_and_digits() -> None:
    check(
        "The, (THE) cat! ... 55 zzxqy porn",
        stop_word_fraction=2 / 5,
        common_word_fraction=4 / 5,
        flagged_word_fraction=1 / 5,
    )


def test_repeated_runs_of_five_words() -> None:
    check("a b c d e. A B C D E", word_repetition=2 / 6)
    check("a b c d e", word_repetition=0)


def test_special_characters_and_punctuation() -> None:
    check("Añe 5!", special_character_fraction=3 / 6, punctuation_fraction=1 / 3)


def test_a_language_without_a_list_is_not_judged_by_it() -> None:
    german, unknown = signals("der Hund und die Katze", "de"), signals("abc def", "qqq")
    assert german["stop_word_fraction"] == 3 / 5
    assert math.isnan(german["common_word_fraction"])
    assert math.isnan(unknown["stop_word_fraction"]) and math.isnan(unknown["stop_word_kinds"])
    assert unknown["flagged_word_fraction"] == 0


def test_a_recipe_can_bring_lists(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Abc\n")
    named = str(tmp_path / "words.txt")
    lists = ListsByLanguage(WordListFiles(stop={"qqq": named}, common={"qqq": named}, flagged={"qqq": named}))
    found = measured("abc def", lists.of("qqq"))
    assert found["stop_word_fraction"] == found["common_word_fraction"] == found["flagged_word_fraction"] == 0.5
    assert found["stop_word_kinds"] == 1
    with pytest.raises(InputError, match="cannot be read"):
        ListsByLanguage(WordListFiles(stop={"qqq": str(tmp_path / "nowhere.txt")}))


# C4


def test_c4_counts_brackets_and_sentences_of_whole_lines() -> None:
    check(
        "A first sentence here. And a second one!\nno mark at the end\nToo short.\nIt goes on and on...\n"
        "Please enable Javascript to go on.\nRead our privacy policy here now.\nf(x) { return; }\nLorem Ipsum dolor it is.[1]",
        c4_sentences=3, curly_brackets=2, c4_curly_brackets=0, lorem_ipsum=1, javascript_line_fraction=1 / 8,
        terminal_line_fraction=5 / 8,
    )  # fmt: skip
    check("He said {this} to me.", c4_curly_brackets=1)
    check("a b " + "c" * 1001 + ".", c4_sentences=0)


# Odd texts


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n\n", "a", "🦊", "🦊" * 1000, "\u3000\u00a0\t\n" * 50, "\x00\x01", "\ud800 x", "e\u0301" * 99]
)
def test_odd_texts_have_all_signals_and_no_language_is_needed(text: str) -> None:
    for language in ("en", ""):
        found = signals(text, language)
        assert tuple(found) == DOCUMENT_SIGNALS
        assert all(math.isnan(value) or value >= 0 for value in found.values())
        shares = [value for name, value in found.items() if name.endswith("_fraction")]
        assert all(math.isnan(value) or value <= 1 for value in shares)


@pytest.mark.parametrize(
    "text",
    ["word " * 1_000_000, "x" * 5_000_000, "🦊 " * 2_500_000, "line.\n" * 800_000],
    ids=["words", "one word", "emoji", "lines"],
)
def test_texts_of_five_megabytes_are_measured(text: str) -> None:
    assert signals(text)["character_repetition"] > 0.3
