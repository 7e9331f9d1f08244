"""What is measured on documents."""

from __future__ import annotations

import math

import pytest

from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS
from m3w.pipeline.filters.signals.document import LANGUAGE_CHARACTERS, identify, measure
from m3w.schemas.document import ImageReference, InterleavedDocument

SENTENCES = {
    "en": "The quick brown fox jumps over the lazy dog and runs away into the forest.",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund und läuft in den Wald.",
    "fr": "Le rapide renard brun saute par-dessus le chien paresseux et court dans la forêt.",
    "es": "El rápido zorro marrón salta sobre el perro perezoso y corre hacia el bosque.",
    "ja": "素早い茶色の狐がのろまな犬を飛び越えて、森の中へ走っていきました。",
    "ru": "Быстрая коричневая лиса перепрыгивает через ленивую собаку и бежит в лес.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_language_is_identified_regardless_of_line_ends_and_case(language: str) -> None:
    for text in (SENTENCES[language], SENTENCES[language].replace(" ", "\n"), SENTENCES[language] * 1000):
        found, score = identify(text)
        assert found == language
        assert 0.5 < score <= 1
    assert identify(SENTENCES[language].upper())[0] == language


@pytest.mark.parametrize("text", ["", "   \n", "1234 5678", "!?… — 🦊🦊", "\x00\x01"])
def test_a_text_without_letters_has_no_language(text: str) -> None:
    assert identify(text) == (None, 0.0)


@pytest.mark.parametrize("text", ["x" * 10**6, "a\u0301" * 5000, "ﷺ" * 9000, "\ufeffhello there"])
def test_odd_texts_do_not_raise(text: str) -> None:
    assert 0 <= identify(text)[1] <= 1


def test_the_language_of_a_long_text_is_identified_by_its_start_and_middle() -> None:
    german, english = SENTENCES["de"] + " ", SENTENCES["en"] + " "
    head = english * (LANGUAGE_CHARACTERS // 4 // len(english))
    assert identify(head + german * 2000)[0] == "de"


def test_signals_count_words_characters_and_nodes() -> None:
    image = ImageReference(url="u")
    document = InterleavedDocument(
        url="http://a.example/",
        texts=["two words", None, "and\u00a0three  more", None, None],
        images=[None, image, None, image, image],
    )
    measure(document)
    counts = {"words": 5, "characters": 24, "text_nodes": 2, "image_nodes": 3}
    assert {name: document.signals[name] for name in counts} == counts
    assert tuple(document.signals) == DOCUMENT_SIGNALS
    assert document.language == "en"


def test_a_document_of_images_alone_has_no_language() -> None:
    document = InterleavedDocument(url="http://a.example/", texts=[None], images=[ImageReference(url="u")])
    measure(document)
    assert (document.language, document.language_score) == (None, 0.0)
    unknown = {"stop_word_kinds", "stop_word_fraction", "common_word_fraction"}
    assert {name for name, value in document.signals.items() if math.isnan(value)} == unknown
    assert {name: value for name, value in document.signals.items() if value > 0} == {"image_nodes": 1}
