"""Documents cut into sequences: contiguous, in page order, at most N images each, none lost."""

from __future__ import annotations

import itertools

import pytest

from m3w.schemas.cutting import sequences_of
from m3w.schemas.document import ImageReference, InterleavedDocument
from m3w.schemas.sequence import Sequence


def cut(nodes: str, images: int = 5) -> list[str]:
    """Nodes and sequences as letters: `t` a text, `I` an image with bytes, `x` one without."""
    return ["".join(letters(sequence)) for sequence in sequences(nodes, images)]


def sequences(nodes: str, images: int) -> list[Sequence]:
    references = [
        None if n == "t" else ImageReference(url=f"{i}", status="ok" if n == "I" else "too_small")
        for i, n in enumerate(nodes)
    ]
    document = InterleavedDocument(
        url="http://a.example/",
        texts=[f"text {i}" if n == "t" else None for i, n in enumerate(nodes)],
        images=references,
    )
    content = [b"bytes of %d" % i if n == "I" else None for i, n in enumerate(nodes)]
    return list(sequences_of(document, content, images))


def letters(sequence: Sequence) -> list[str]:
    return ["I" if image is not None else "t" for image in sequence.images]


@pytest.mark.parametrize(
    ("nodes", "images", "expected"),
    [
        ("tI", 5, ["tI"]),
        ("ItIt", 5, ["ItIt"]),
        ("tItItItItI", 5, ["tItItItItI"]),
        ("tItItItItItI", 5, ["tItItItItIt", "I"][:1]),  # one text between: it ends the first; an image alone trains nothing
        ("tIttI", 1, ["tIt", "tI"]),
        ("tItttI", 1, ["tItt", "tI"]),
        ("tIIIt", 2, ["tII", "It"]),
        ("tItI", 5, ["tItI"]),
        ("ttxt", 5, []),
        ("III", 5, []),
        ("ttt", 5, []),
        ("", 5, []),
        ("txIxt", 5, ["tIt"]),
        ("IIIIIIt", 5, ["It"]),  # the first five have no text among them
    ],
)  # fmt: skip
def test_where_a_document_is_cut(nodes: str, images: int, expected: list[str]) -> None:
    assert cut(nodes, images) == expected


@pytest.mark.parametrize(
    ("nodes", "last"),
    [
        ("tI", [True]),
        ("tIttI", [False, True]),
        ("tItI", [False]),  # the second image has no text, so it is in no sequence
        ("ItItIt", [False, False, True]),
        ("ItIttII", [False, False, False]),
        ("ItI", [False]),
        ("Itx", [True]),
    ],
)
def test_the_last_sequence_is_marked_as_last(nodes: str, last: list[bool]) -> None:
    assert [sequence.last for sequence in sequences(nodes, 1)] == last


@pytest.mark.parametrize("images", [1, 2, 5])
def test_every_short_document_keeps_its_order_and_its_bytes(images: int) -> None:
    for length in range(1, 8):
        for nodes in map("".join, itertools.product("tIx", repeat=length)):
            cut = sequences(nodes, images)
            order = [n for s in cut for n in (t or i.url for t, i in zip(s.texts, s.images, strict=True))]
            numbers = [int(name.removeprefix("text ")) for name in order]
            assert numbers == sorted(set(numbers)), "in page order, each node once"
            assert [sequence.sequence for sequence in cut] == list(range(len(cut)))
            for sequence in cut:
                assert len(sequence.image_bytes) <= images
                assert any(sequence.texts)
                shown = [image for image in sequence.images if image is not None]
                assert [b"bytes of %s" % image.url.encode() for image in shown] == sequence.image_bytes
                assert all(image.status == "ok" for image in shown)
                own = [n for n in numbers if f"text {n}" in sequence.texts or str(n) in {i.url for i in shown}]
                between = nodes[own[0] : own[-1] + 1].replace("x", "")
                assert len(between) == len(own), "nothing is left out between its ends but images without bytes"


def test_no_image_is_lost_where_texts_and_images_alternate() -> None:
    cut = sequences("tI" * 23 + "t", 5)
    assert [len(sequence.image_bytes) for sequence in cut] == [5, 5, 5, 5, 3]
    assert sum(text is not None for sequence in cut for text in sequence.texts) == 24
