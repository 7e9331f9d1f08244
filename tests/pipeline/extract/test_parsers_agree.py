"""Lexbor against html5lib, which follow the same specification, behind the same events: the same documents.

All 65 pages of `html/readability` give the same texts, images and metadata.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import m3w.pipeline.extract.page as page_module
from m3w.pipeline.extract import extract_document
from m3w.pipeline.extract.blocks import LeftOut
from m3w.pipeline.extract.events import Receiver, send_soup
from m3w.schemas.document import InterleavedDocument

SMALL_PAGE = 40_000
"""Bytes; html5lib reads some 100 kB a second."""


def by_soup(monkeypatch: pytest.MonkeyPatch, builder: str, html: bytes) -> InterleavedDocument | None:
    def send(text: str | bytes, receiver: Receiver, counters: Counter[str]) -> None:
        send_soup(text, receiver, builder)

    with monkeypatch.context() as patch:
        patch.setattr(page_module, "send_events", send)
        return extract_document(html, "http://fakehost/test/page.html")


def share_alike(monkeypatch: pytest.MonkeyPatch, folder: Path, largest: int) -> tuple[list[str], int]:
    """The names of the pages whose documents differ, and how many were compared."""
    differ, count = [], 0
    for path in sorted(folder.glob("*/source.html")):
        html = path.read_bytes()
        if len(html) <= largest:
            count += 1
            if by_soup(monkeypatch, "html5lib", html) != extract_document(html, "http://fakehost/test/page.html"):
                differ.append(path.parent.name)
    return differ, count


def test_small_pages_give_the_same_document(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differ, count = share_alike(monkeypatch, shared_data / "html" / "readability", SMALL_PAGE)
    assert count >= 10
    assert differ == []


@pytest.mark.slow
def test_all_pages_give_the_same_document(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differ, count = share_alike(monkeypatch, shared_data / "html" / "readability", 10**9)
    assert count == 65
    assert differ == []


@pytest.mark.parametrize("builder", ["lxml", "html5lib"])
def test_utf8_under_a_wrong_meta_is_the_same_to_every_parser(monkeypatch: pytest.MonkeyPatch, builder: str) -> None:
    sentence = "\u6625\u5929\u5230\u4e86\uff0c\u82b1\u90fd\u5f00\u4e86\u3002" * 12
    html = f"<meta charset=gbk><title>\u6625\u5929</title><article><p>{sentence}</p></article>".encode()
    document = by_soup(monkeypatch, builder, html)
    assert document is not None and document.texts == [sentence]
    assert document == extract_document(html, "http://fakehost/test/page.html")


def test_the_fallback_parser_gives_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    html = b"<article>" + b"<p>A sentence, of some length, that counts.</p>" * 20 + b"<img src=a.jpg></article>"
    document = by_soup(monkeypatch, "lxml", html)
    assert document is not None
    assert document == extract_document(html, "http://fakehost/test/page.html")


def test_what_lexbor_refuses_goes_to_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(html: str) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("m3w.pipeline.extract.events.LexborHTMLParser", refuse)
    left_out = LeftOut()
    document = extract_document(
        b"<p>" + b"A sentence, of some length. " * 20, "http://site.example/", left_out=left_out
    )
    assert document is not None
    assert left_out.page["parsed_by_beautifulsoup"] >= 1
