"""Stage `filter`: rules on nodes before rules on documents, by language; block lists, masks and samples."""

from __future__ import annotations

import math
from typing import Any

import pytest

from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.filters.filter import filter
from m3w.pipeline.filters.signals.document import measure
from m3w.pipeline.filters.signals.node import TextSignals, reference_signals
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage
from m3w.pipeline.tables import EXTRACTED, KEPT
from m3w.schemas.document import ImageReference, InterleavedDocument

ENGLISH = "This is a text of some length that stands in the middle of the page and says what there is to say."
MENU = "Home | Shop"


def page(*nodes: str | ImageReference, url: str = "http://a.example/") -> InterleavedDocument:
    document = InterleavedDocument(
        url=url,
        texts=[node if isinstance(node, str) else None for node in nodes],
        images=[node if isinstance(node, ImageReference) else None for node in nodes],
    )
    measure(document)
    return document


def image(name: str = "1", **values: Any) -> ImageReference:
    return ImageReference(url=f"http://a.example/{name}.png", **values)


def filtered(
    in_place: Any, documents: list[InterleavedDocument], **sections: Any
) -> tuple[LedgerEntry, list[dict[str, Any]]]:
    in_place.put(EXTRACTED, [d.row() for d in documents], "part")
    entry = in_place.part(filter, "part", in_place.recipe(**sections))
    return entry, in_place.rows(KEPT, "part")


def test_nodes_that_break_a_rule_leave_their_document_which_is_measured_again(in_place: Any) -> None:
    document = page(MENU, image("logo", alt="x"), ENGLISH, image("2", alt="a red fox"), ENGLISH)
    before = document.signals["words"]
    rules = {"text": {"short": {"signal": "words", "min": 4}}, "image_reference": {"alt_words": {"min": 2}}}
    entry, [row] = filtered(in_place, [document], rules=rules)
    assert row["texts"] == [ENGLISH, None, ENGLISH]
    assert [found and found["url"] for found in row["images"]] == [None, "http://a.example/2.png", None]
    assert row["signals"]["words"] == before - len(MENU.split())
    assert (row["signals"]["text_nodes"], row["signals"]["image_nodes"]) == (2, 1)
    assert entry.counters == {
        "documents": 1,
        "text_nodes": 2,
        "text_nodes_dropped.short": 1,
        "image_references": 1,
        "image_references_dropped.alt_words": 1,
    }


def test_document_rules_see_what_is_left(in_place: Any) -> None:
    document = page("word " * 60, ENGLISH, image())
    rules = {"text": {"word_repetition": {"max": 0.1}}, "document": {"words": {"min": 50}}}
    entry, rows = filtered(in_place, [document], rules=rules)
    assert rows == []
    assert entry.counters["documents_dropped.words"] == 1


def test_a_document_that_loses_its_last_image_goes(in_place: Any) -> None:
    rules = {"image_reference": {"declared_shorter_side": {"min": 64, "unknown": "keep"}}}
    small = page(ENGLISH, image(declared_width=10, declared_height=500), url="http://small.example/")
    unknown = page(ENGLISH, image(declared_width=10), url="http://unknown.example/")
    video = page(
        ENGLISH, image(declared_width=9, declared_height=9), image("v", status="video"), url="http://v.example/"
    )
    entry, rows = filtered(in_place, [small, unknown, video], rules=rules)
    assert [row["url"] for row in rows] == ["http://unknown.example/"]
    assert entry.counters["documents_dropped.no_image_left"] == 2
    rules["image_reference"]["declared_shorter_side"]["unknown"] = "drop"
    _, rows = filtered(in_place, [unknown], rules=rules)
    assert rows == [], "what cannot be decided is dropped, unless the rule says otherwise"


def test_a_rule_can_ask_some_languages_only(in_place: Any) -> None:
    german = "Dies ist ein kurzer Text auf Deutsch, der von einem Fuchs und einem Hund im Wald erzählt."
    documents = [page(ENGLISH, image(), url="http://en.example/"), page(german, image(), url="http://de.example/")]
    rules = {"languages": [], "document": {"words_de": {"signal": "words", "min": 500, "languages": ["deu"]}}}
    _, rows = filtered(in_place, documents, rules=rules)
    assert [row["url"] for row in rows] == ["http://en.example/"]
    _, rows = filtered(in_place, documents, rules={"languages": ["ger"]})
    assert [row["url"] for row in rows] == ["http://de.example/"]
    _, rows = filtered(in_place, documents, rules={"languages": [], "document": {"common_word_fraction": {"min": 0.5}}})
    assert [row["url"] for row in rows] == ["http://en.example/"], "German has no list of common words: not decided"


def test_a_signal_stored_in_single_precision_is_at_its_bound_where_it_was_measured_so(in_place: Any) -> None:
    document = page(ENGLISH, image())
    document.signals["duplicate_line_fraction"] = 0.3
    _, rows = filtered(in_place, [document], rules={"document": {"duplicate_line_fraction": {"max": 0.3}}})
    assert len(rows) == 1
    document.signals["duplicate_line_fraction"] = 0.3001
    _, rows = filtered(in_place, [document], rules={"document": {"duplicate_line_fraction": {"max": 0.3}}})
    assert rows == []


def test_signals_that_are_no_numbers_fail_closed(in_place: Any) -> None:
    document = page(ENGLISH, image())
    document.signals["words"] = math.nan
    entry, rows = filtered(in_place, [document], rules={"document": {"words": {"max": 10**9}}})
    assert rows == [] and entry.counters["documents_dropped.words"] == 1


def test_blocked_pages_go_first(in_place: Any) -> None:
    documents = [page(ENGLISH, image(), url="http://casino.example/")]
    entry, rows = filtered(in_place, documents, urls={"pages": {"words": ["casino"]}}, rules={"languages": ["de"]})
    assert rows == [] and entry.counters == {"documents_dropped.blocked_word": 1}


def test_kept_documents_are_masked_and_counted(in_place: Any) -> None:
    document = page(f"{ENGLISH} Write to a@b.de.", image(alt="8.8.8.8"))
    entry, [row] = filtered(in_place, [document], pii={"emails": True, "ip_addresses": True})
    assert row["texts"][0] == f"{ENGLISH} Write to email@example.com."
    assert row["images"][1]["alt"] == "192.0.2.1"
    assert entry.counters == {"documents": 1, "masked.emails": 1, "masked.ip_addresses": 1}


def test_examples_of_drops_name_the_rule(in_place: Any) -> None:
    documents = [page(ENGLISH, MENU, image(), url=f"http://a.example/{n}") for n in range(9)]
    rules = {"text": {"short": {"signal": "words", "min": 4}}, "document": {"words": {"min": 80, "max": 90}}}
    entry, _ = filtered(in_place, documents, rules=rules, drops={"keep_per_reason": 2})
    rows = in_place.rows_at("drops/filter/part.parquet")
    assert [(row["kind"], row["reason"]) for row in rows] == [("document", "words")] * 2 + [("text", "short")] * 2
    assert {(row["signal"], row["value"], row["min"], row["max"]) for row in rows} == {
        ("words", float(len(ENGLISH.split())), 80.0, 90.0),
        ("words", 3.0, 4.0, None),
    }
    assert (rows[0]["text"], rows[2]["text"]) == (ENGLISH, MENU)
    assert "drops/filter/part.parquet" in [output.path for output in entry.outputs]
    entry, _ = filtered(in_place, documents, rules=rules, drops={"keep_per_reason": 0})
    assert not any(output.path.startswith("drops/") for output in entry.outputs)


@pytest.mark.parametrize("text", ["x", "🦊" * 30, " \n ", "e" * 5_000_000])
def test_odd_documents_end_under_a_reason(in_place: Any, text: str) -> None:
    rules = {"languages": [], "document": {"mean_word_length": {"min": 3, "max": 10}}}
    entry, rows = filtered(in_place, [page(text, image())], rules=rules)
    assert rows == [] and entry.counters["documents_dropped.mean_word_length"] == 1


def test_a_document_with_ten_thousand_images_and_one_with_none(in_place: Any) -> None:
    many = page(ENGLISH, *(image(str(n)) for n in range(10_000)), url="http://many.example/")
    rules = {"image_reference": {"position": {"max": 99}}}
    entry, [row] = filtered(in_place, [many, page(ENGLISH, url="http://none.example/")], rules=rules)
    assert row["signals"]["image_nodes"] == 100
    assert entry.counters["image_references_dropped.position"] == 9_900
    assert entry.counters["documents_dropped.no_image_left"] == 1


# Signals of nodes


def test_signals_of_an_image_reference() -> None:
    document = page(
        "one two three",
        image(alt="a b", declared_width=300, declared_height=100),
        "four",
        image("v", status="video"),
        image(caption="c"),
    )
    first, last = reference_signals(document)[1], reference_signals(document)[4]
    assert first == {
        "declared_shorter_side": 100, "declared_longer_side": 300, "declared_aspect_ratio": 3, "position": 0,
        "relative_position": 0.25, "words_nearby": 4, "alt_words": 2, "caption_words": 0, "url_characters": 22,
    }  # fmt: skip
    assert last is not None
    assert math.isnan(last["declared_shorter_side"]) and math.isnan(last["declared_aspect_ratio"])
    assert (last["position"], last["relative_position"], last["words_nearby"], last["caption_words"]) == (1, 1, 0, 1)
    assert [found is None for found in reference_signals(document)] == [True, False, True, True, False]


def test_a_short_text_is_not_judged_by_its_punctuation() -> None:
    english = ListsByLanguage().of("en")
    assert TextSignals("three words only", english)["punctuation_fraction"] == 1
    assert TextSignals("a word " * 6, english)["punctuation_fraction"] == 0
    assert len(dict(TextSignals("three words", english))) == len(TextSignals("three words", english))
