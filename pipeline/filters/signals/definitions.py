"""Every signal: what it is, in what unit, where it is from, and where we deviate.

`python -m m3w.pipeline.filters.signals.definitions` prints the tables of docs/filtering.md.
"""

from __future__ import annotations

from dataclasses import dataclass

GOPHER = "Gopher (2112.11446), A.1.1"
TABLE_A1 = "Gopher (2112.11446), A.1.1, table A1"
OBELICS = "OBELICS (2306.16527), A.2"
C4 = "C4 (1910.10683), 2.2"
OWN = "m3w"
_PLAIN = "words in lower case without marks and digits at their ends; NaN where the language has no list"


@dataclass(frozen=True)
class Signal:
    name: str
    formula: str
    unit: str
    """`share` is a number from 0 to 1."""
    source: str
    deviation: str = ""


def _duplicates(piece: str) -> tuple[Signal, Signal]:
    return (
        Signal(f"duplicate_{piece}_fraction", f"{piece}s equal to an earlier one, by all {piece}s", "share", TABLE_A1),
        Signal(
            f"duplicate_{piece}_character_fraction",
            f"characters of {piece}s equal to an earlier one, by those of all {piece}s",
            "share",
            TABLE_A1,
        ),
    )


_OF_TEXT = (
    Signal("character_repetition", "runs of 10 characters among the commonest kinds (as many as the root of all kinds, "
           "of those met twice), by all runs", "share", OBELICS),
    Signal("word_repetition", "runs of 5 words met more than once, by all runs", "share", OBELICS),
    Signal("special_character_fraction", "characters that are neither letters nor their marks (Unicode L, M), by all",
           "share", OBELICS, "OBELICS lists its special characters one by one"),
    Signal("punctuation_fraction", "marks , ; : ? ! . by marks and words", "share", OBELICS,
           "and the same marks of other scripts; in a text node of fewer than 12 words and marks 1"),
    Signal("stop_word_fraction", "stop words by words", "share", OBELICS, f"spaCy's lists; {_PLAIN}"),
    Signal("common_word_fraction", "common words by words", "share", OBELICS,
           f"symspellpy's 60,000 English words; {_PLAIN}"),
    Signal("flagged_word_fraction", "flagged words by words", "share", OBELICS, "the shipped list of adult words"),
)  # fmt: skip

DOCUMENT = (
    Signal("words", "words", "words", GOPHER),
    Signal("characters", "characters of the text nodes, white space in them included", "characters", OWN),
    Signal("sentences", "sentences", "sentences", OWN),
    Signal("text_nodes", "text nodes", "nodes", OWN),
    Signal("image_nodes", "image references; videos are none", "nodes", OWN),
    Signal("mean_word_length", "characters of words by words", "characters", GOPHER),
    Signal("hash_word_ratio", "# signs by words", "per word", GOPHER),
    Signal("ellipsis_word_ratio", "ellipses (... and …) by words", "per word", GOPHER),
    Signal("bullet_line_fraction", "lines that start with a bullet, by lines", "share", GOPHER,
           "dashes and * are bullets, too"),
    Signal("ellipsis_line_fraction", "lines that end in an ellipsis, by lines", "share", GOPHER),
    Signal("alphabetic_word_fraction", "words with a letter, by words", "share", GOPHER),
    Signal("stop_word_kinds", "how many of the, be, to, of, and, that, have, with are met", "words", GOPHER,
           "in other languages of the language's stop words; NaN where there is no list"),
    *_duplicates("line"),
    *_duplicates("paragraph"),
    *(Signal(f"top_{n}gram_fraction", f"characters in the commonest run of {n} words, by all", "share", TABLE_A1)
      for n in (2, 3, 4)),
    *(Signal(f"duplicate_{n}gram_fraction", f"characters in runs of {n} words that were met before, by all", "share",
             TABLE_A1) for n in range(5, 11)),
    *_OF_TEXT,
    Signal("curly_brackets", "{ and }", "signs", C4),
    Signal("c4_curly_brackets", "{ in the lines that C4 keeps", "signs", C4, "as its published code"),
    Signal("lorem_ipsum", '"lorem ipsum", in any case', "times", C4),
    Signal("javascript_line_fraction", '"javascript" in a line, in any case, by lines', "share", C4),
    Signal("terminal_line_fraction", "lines that end in . ! ? or a quotation mark, by lines", "share", C4,
           "the marks of other scripts, too"),
    Signal("c4_sentences", "sentences in the lines that C4 keeps", "sentences", C4),
)  # fmt: skip
"""In the order of `m3w.schemas.document.DOCUMENT_SIGNALS`."""

LANGUAGE_SCORE = Signal("language_score", "probability of the likeliest language", "share", "fastText (1607.01759)",
                        "the compressed model, lid.176.ftz")  # fmt: skip

TEXT = (
    Signal("words", "words", "words", OBELICS),
    Signal("characters", "characters", "characters", OWN),
    *_OF_TEXT,
    Signal("terminal_line_fraction", "as of documents", "share", C4),
    Signal("curly_brackets", "as of documents", "signs", C4),
    Signal("javascript_line_fraction", "as of documents", "share", C4),
)
"""Of a text node."""

REFERENCE = (
    Signal("declared_shorter_side", "the shorter of the sides that the page declares", "pixels", OBELICS,
           "NaN where the page does not declare both"),
    Signal("declared_longer_side", "the longer of them", "pixels", OBELICS),
    Signal("declared_aspect_ratio", "longer by shorter declared side", "ratio", OBELICS),
    Signal("position", "image references before it in the document", "images", OWN),
    Signal("relative_position", "nodes before it by all other nodes; 0 where there are none", "share", OWN),
    Signal("words_nearby", "words of the text nodes right before and right after it", "words", OWN),
    Signal("alt_words", "words of the alternative text", "words", OWN),
    Signal("caption_words", "words of the caption", "words", OWN),
    Signal("url_characters", "length of the address; of data: addresses, too", "characters", OWN),
)  # fmt: skip
"""Of an image reference, before anything is fetched."""


def table(signals: tuple[Signal, ...]) -> str:
    """A Markdown table."""
    rows = ["| signal | what it is | unit | from | deviation |", "| --- | --- | --- | --- | --- |"]
    rows += [f"| `{s.name}` | {s.formula} | {s.unit} | {s.source} | {s.deviation} |" for s in signals]
    return "\n".join(rows)


def tables() -> str:
    """What docs/filtering.md holds between its marks."""
    return "\n\n".join(
        f"### {title}\n\n{table(signals)}"
        for title, signals in (
            ("Of a document", (*DOCUMENT, LANGUAGE_SCORE)),
            ("Of a text node", TEXT),
            ("Of an image reference, before it is fetched", REFERENCE),
        )
    )


if __name__ == "__main__":
    print(tables())
