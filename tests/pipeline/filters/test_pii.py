"""Personal data: what is masked, what only looks like it, and that long texts cost little."""

from __future__ import annotations

from collections import Counter

import pytest

from m3w.pipeline.filters.pii import Masking
from m3w.pipeline.filters.section import Pii
from m3w.schemas.document import ImageReference, InterleavedDocument


def masked(text: str) -> str:
    return Masking(Pii(emails=True, ip_addresses=True), Counter()).mask(text)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Write to Jane.Doe+news@mail.shop.co.uk.", "Write to email@example.com."),
        ("<mailto:a@b.de>,x_y%z@t-online.de", "<mailto:email@example.com>,email@example.com"),
        ("jürgen@bücher.de", "email@example.com"),
        ("my host 8.8.8.8, port 53", "my host 192.0.2.1, port 53"),
        ("http://93.184.216.34/index", "http://192.0.2.1/index"),
        ("from 2606:4700:4700::1111.", "from 2001:db8::1."),
        ("[2a00:1450:4001:0830:0000:0000:0000:200e]", "[2001:db8::1]"),
    ],
)
def test_public_addresses_are_masked(text: str, result: str) -> None:
    assert masked(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "a @ b, @handle, user@localhost, a@b.c, foo@2x.1",
        "192.168.1.1 and 10.0.0.1 and 127.0.0.1 and 0.0.0.0",
        "version 1.2.3.4, v1.2.3.4, Release: 5.6.7.8, build 9.8.7.6",
        "999.1.1.1, 01.02.03.04, 1.2.3, 1.2.3.4.5, 5.1.2.3.4",
        "at 12:30:45, std::vector, a::b, ::1, fe80::1, 00:1b:44:11:3a:b7, fd00::1",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert masked(text) == text


def test_each_option_masks_its_own_kind_and_disabled_ones_mask_nothing() -> None:
    text = "a@b.de 8.8.8.8"
    assert Masking(Pii(emails=True), Counter()).mask(text) == "email@example.com 8.8.8.8"
    assert Masking(Pii(ip_addresses=True), Counter()).mask(text) == "a@b.de 192.0.2.1"
    assert Masking(Pii(), Counter()).mask(text) == text


def test_a_document_is_masked_wherever_it_has_words_and_counted() -> None:
    image = ImageReference(url="http://a.example/a@b.de.png", alt="a@b.de", caption="on 8.8.8.8")
    document = InterleavedDocument(
        url="http://a.example/", title="a@b.de", texts=["a@b.de c@d.de", None], images=[None, image]
    )
    counts: Counter[str] = Counter()
    masking = Masking(Pii(emails=True, ip_addresses=True), counts)
    assert masking.mask_document(document)
    assert counts == {"emails": 4, "ip_addresses": 1}
    assert document.texts == ["email@example.com email@example.com", None]
    assert (document.title, image.alt, image.caption) == ("email@example.com", "email@example.com", "on 192.0.2.1")
    assert image.url == "http://a.example/a@b.de.png", "an address of an image is none of a person"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6 + "@",
        "a.b-" * 300_000 + "@b",
        "@" * 10**6,
        "x@" + "a." * 500_000,
        "1.1." * 300_000,
        "a:" * 500_000,
        "1:1" * 300_000,
    ],
)
def test_hostile_texts_take_no_longer_than_their_length(text: str) -> None:
    assert len(masked(text)) <= len(text) + 10
