"""Planted copies of each kind are found, and nothing else is dropped."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from m3w.pipeline.dedup.deduplicate import deduplicate
from m3w.pipeline.dedup.document_hashes import document_hashes
from m3w.pipeline.dedup.repeated import repeated
from m3w.pipeline.dedup.unique import unique
from m3w.pipeline.engine.inputs import Inputs, sum_counters
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS
from m3w.pipeline.tables import KEPT, UNIQUE
from m3w.schemas.document import VIDEO, ImageReference, InterleavedDocument

RNG = random.Random(11)
WORDS = ["".join(RNG.choices("abcdefghijklmnop", k=6)) for _ in range(3000)]
Parts = dict[str, list[InterleavedDocument]]


def prose(words: int = 60) -> str:
    return " ".join(RNG.choices(WORDS, k=words))


def document(
    name: str, *texts: str | None, images: tuple[str, ...] | None = None, year: int = 2020, **values: Any
) -> InterleavedDocument:
    """A page `http://a.example/NAME` of the given texts (or one of its own), then images (or one of its own)."""
    url = values.pop("url", f"http://a.example/{name}")
    pictures = (f"{url}.jpg",) if images is None else images
    nodes: list[str | None] = [*(texts or (prose(),)), *([None] * len(pictures))]
    references = [None] * (len(nodes) - len(pictures)) + [ImageReference(url=address) for address in pictures]
    signals = dict.fromkeys(DOCUMENT_SIGNALS, 1.0)
    moment = datetime(year, 1, 1, tzinfo=UTC)
    return InterleavedDocument(
        url=url, texts=nodes, images=list(references), crawled_at=moment, title=name, signals=signals, **values
    )


def deduplicated(work: Any, parts: Parts, **switches: Any) -> dict[str, int]:
    """The counters of `unique` after the stages before it."""
    recipe = work.recipe(duplicates=switches)
    work.inputs = Inputs()
    for part, documents in parts.items():
        work.put(KEPT, [each.row() for each in documents], part)
    for stage in (document_hashes, deduplicate):
        work.stage(stage, recipe)
    if recipe.duplicates.finds_repetitions:
        work.stage(repeated, recipe)
    entries = work.stage(unique, recipe)
    assert set(entries) == set(parts)
    return dict(sum_counters(entries.values()))


def titles(work: Any, parts: Parts) -> list[str]:
    return sorted(row["title"] for part in parts for row in work.rows(UNIQUE, part))


def dropped(counters: dict[str, int]) -> dict[str, int]:
    return {name.partition(".")[2]: n for name, n in counters.items() if name.startswith("documents_dropped.") and n}


EVERY_KIND = {"same_text": True, "same_images": True, "near_text": True}


def planted() -> tuple[Parts, list[str], dict[str, int]]:
    """Two parts; the titles of what is to stay; what is to go by reason."""
    originals = [document(f"original-{number}") for number in range(24)]
    first, second = list(originals[:12]), list(originals[12:])
    stays = [each.title or "" for each in originals]
    second.append(first[0])
    first.append(first[0])
    for number, year in ((1, 2019), (2, 2018), (13, 2019)):
        second.append(
            document(f"older-{number}", url=originals[number].url.replace("http:", "https:") + "/", year=year)
        )
    texts = [each.texts[0] or "" for each in originals]
    first.append(document("same-text-poorer", texts[3].upper(), images=("http://b.example/1.jpg",), year=2022))
    originals[3].texts.append(None)
    originals[3].images.append(ImageReference(url="http://a.example/second.jpg"))
    second.append(document("same-images-older", images=("http://a.example/original-14.jpg#x",), year=2017))
    words = texts[5].split()
    second.append(document("near-shorter", " ".join(words[:-2]), year=2021))
    return {"a": first, "b": second}, stays, {
        "same_crawl_of_page": 2, "same_page": 3, "same_text": 1, "same_images": 1, "near_duplicate": 1,
    }  # fmt: skip


def test_each_kind_of_copy_is_found_and_nothing_else_is_dropped(in_place: Any) -> None:
    parts, stays, reasons = planted()
    counters = deduplicated(in_place, parts, **EVERY_KIND)
    assert dropped(counters) == reasons
    assert titles(in_place, parts) == sorted(stays)
    assert counters["documents"] == len(stays)


def test_by_default_pages_alone_are_compared(in_place: Any) -> None:
    parts, _, reasons = planted()
    assert dropped(deduplicated(in_place, parts)) == {
        name: reasons[name] for name in ("same_crawl_of_page", "same_page")
    }
    counters = deduplicated(in_place, parts, same_page=False)
    assert dropped(counters) == {"same_crawl_of_page": 2}, "or there would be two samples of one key"


def test_the_result_does_not_depend_on_how_documents_are_divided_into_parts(in_place: Any) -> None:
    parts, stays, reasons = planted()
    for seed in range(3):
        documents = [each for part in parts.values() for each in part]
        random.Random(seed).shuffle(documents)
        elsewhere = {"z": documents[:5], "m": documents[5:17], "a": documents[17:], "empty": []}
        assert dropped(deduplicated(in_place, elsewhere, **EVERY_KIND)) == reasons
        assert titles(in_place, elsewhere) == sorted(stays)


def test_a_document_is_dropped_only_if_its_copy_is_kept(in_place: Any) -> None:
    """The old crawl of a page has another page's text; it goes for the new crawl, and the other page stays."""
    shared = prose()
    old = document(
        "old", shared, url="http://a.example/page", year=2020, images=("http://a.example/1", "http://a.example/2")
    )
    new = document("new", url="http://a.example/page", year=2021)
    parts = {"p": [old, new, document("other", shared, year=2019)]}
    assert dropped(deduplicated(in_place, parts, **EVERY_KIND)) == {"same_page": 1}
    assert titles(in_place, parts) == ["new", "other"]


def test_the_newest_page_stays_and_of_one_time_the_smaller_id(in_place: Any) -> None:
    pages = [document(str(n), url=f"http{'s' * (n % 2)}://a.example/x{'/' * (n // 2)}", year=2020) for n in range(4)]
    pages.append(document("canonical", url="http://a.example/print?x", canonical_url="http://a.example/x", year=2019))
    unknown = document("unknown", url="http://a.example/x#y")
    unknown.crawled_at = None
    parts = {"p": [*pages, unknown]}
    assert dropped(deduplicated(in_place, parts)) == {"same_page": 5}
    assert titles(in_place, parts) == [min(pages[:4], key=lambda page: page.document_id).title]


def test_of_near_texts_the_richest_of_the_whole_chain_stays(in_place: Any) -> None:
    """Each text is near the next alone; the one with two images stays, not the longest nor the newest."""
    words = prose(400).split()
    chain = [document(f"link-{n}", " ".join(words[n * 25 : n * 25 + 250 + n]), year=2020 + n) for n in range(6)]
    chain[2].texts.append(None)
    chain[2].images.append(ImageReference(url="http://a.example/two.jpg"))
    parts = {"p": chain[:3], "q": [*chain[3:], document("alone")]}
    settings = {"ngram": 1, "bands": 40, "rows": 4}
    assert dropped(deduplicated(in_place, parts, near_text=True, minhash=settings)) == {"near_duplicate": 5}
    assert titles(in_place, parts) == ["alone", "link-2"]


def test_odd_documents_are_no_ones_copies(in_place: Any) -> None:
    odd = [
        document("without text", None, images=()),
        document("nor this", None, images=()),
        document("blank", " \n", images=()),
        document("one word", "kettle", images=()),
        document("two words", "kettle tea", images=()),
        document("emoji", "\N{GRINNING FACE}" * 3),
        document("5 MB", "the kettle " * 450_000),
        document("5 MB of one word", "x" * 5_000_000),
        document("many images", images=tuple(f"http://a.example/{n}" for n in range(10_000))),
    ]
    for each in odd[:2]:
        each.texts, each.images = [], []
    parts = {"p": odd}
    assert dropped(deduplicated(in_place, parts, **EVERY_KIND)) == {}
    parts = {"p": [*odd[:6], document("one word again", "Kettle ", images=())]}
    assert dropped(deduplicated(in_place, parts, **EVERY_KIND)) == {"same_text": 1}


# What is repeated within documents that stay


def menu(name: str, host: str, *extra: str) -> InterleavedDocument:
    return document(name, prose(), *extra, url=f"http://{host}/{name}")


def test_paragraphs_that_a_site_repeats_are_cut_out(in_place: Any) -> None:
    pages = [menu(str(n), "a.example", "Home News  Contact", "About us") for n in range(2)]
    pages += [menu("2", "www.a.example", "home news contact", "home news contact"), menu("3", "b.example", "About us")]
    parts = {"p": pages[:1], "q": pages[1:], "empty": []}
    counters = deduplicated(in_place, parts, paragraph_documents=2)
    rows = [row for part in parts for row in in_place.rows(UNIQUE, part)]
    assert [[text for text in row["texts"][1:] if text] for row in rows] == [
        ["About us"],
        ["About us"],
        [],
        ["About us"],
    ]
    assert counters["text_nodes_dropped.repeated_on_site"] == 4
    assert counters["text_nodes"] == 7
    drops = in_place.rows_at("drops/unique/q.parquet")
    assert [(drop["kind"], drop["reason"]) for drop in drops] == [("text", "repeated_on_site")] * 3
    assert {drop["text"] for drop in drops} == {"Home News  Contact", "home news contact"}
    for row, page in zip(rows, pages, strict=True):
        assert [image is None for image in row["images"]] == [text is not None for text in row["texts"]]
        cut = len(row["texts"]) < len(page.texts)
        assert row["signals"]["text_nodes"] == (len([t for t in row["texts"] if t]) if cut else 1), "measured again"


def test_a_document_with_only_repeated_text_is_dropped(in_place: Any) -> None:
    pages = [document(str(n), "Sign up!") for n in range(3)] + [document("no text", None, images=())]
    pages[3].texts, pages[3].images = [None], [ImageReference(url="http://a.example/i.jpg")]
    parts = {"p": pages}
    assert dropped(deduplicated(in_place, parts, paragraph_documents=2)) == {"only_repeated_text": 3}
    assert titles(in_place, parts) == ["no text"]
    drops = in_place.rows_at("drops/unique/p.parquet")
    assert [(drop["kind"], drop["reason"], drop["text"]) for drop in drops] == [
        *[("document", "only_repeated_text", "Sign up!")] * 3,
        *[("text", "repeated_on_site", "Sign up!")] * 3,
    ]


def test_copies_make_nothing_frequent(in_place: Any) -> None:
    crawls = [document(f"{year}", "Text.", url="http://a.example/1", year=year) for year in range(2015, 2020)]
    counters = deduplicated(in_place, {"p": crawls}, paragraph_documents=1, image_url_documents=1)
    assert dropped(counters) == {"same_page": 4}
    (row,) = in_place.rows(UNIQUE)
    assert row["texts"][0] == "Text." and row["images"][1]["status"] is None


def test_frequent_and_repeated_addresses_are_not_fetched(in_place: Any) -> None:
    logo, own = "http://a.example/logo.png", "http://a.example/own.png"
    pages = [document(str(n), images=(logo, f"{own}?{n}", f"{own}?{n}#again", logo)) for n in range(3)]
    pages[0].images[-1] = ImageReference(url=logo, status=VIDEO)
    parts = {"p": pages[:2], "q": pages[2:]}
    deduplicated(in_place, parts, image_url_documents=2, repeated_images=True)
    statuses = [
        [image["status"] for image in row["images"] if image] for part in parts for row in in_place.rows(UNIQUE, part)
    ]
    again = ["frequent_url", None, "repeated_in_document", "frequent_url"]
    assert statuses == [[*again[:3], VIDEO], again, again]
    deduplicated(in_place, parts, image_url_documents=3)
    assert {image["status"] for row in in_place.rows(UNIQUE, "q") for image in row["images"] if image} == {None}


@pytest.mark.parametrize("most", [2, 3])
def test_a_paragraph_is_removed_only_above_the_limit(in_place: Any, most: int) -> None:
    pages = [menu(str(n), "a.example", "Menu") for n in range(3)]
    counters = deduplicated(in_place, {"p": pages}, paragraph_documents=most)
    assert counters.get("text_nodes_dropped.repeated_on_site", 0) == (3 if most == 2 else 0)


def test_what_stays_stays_as_it_was(in_place: Any) -> None:
    parts, _, _ = planted()
    for switches in ({}, {"repeated_images": True}):
        deduplicated(in_place, parts, **switches)
        for part in parts:
            before = {row["title"]: row for row in in_place.rows(KEPT, part)}
            after = in_place.rows(UNIQUE, part)
            assert after and all(row == before[row["title"]] for row in after)
