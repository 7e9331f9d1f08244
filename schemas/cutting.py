"""Cuts a document into sequences: contiguous runs of its nodes with at most N images."""

from __future__ import annotations

from collections.abc import Iterator

from m3w.schemas.document import OK, ImageReference, InterleavedDocument
from m3w.schemas.sequence import Sequence

Node = tuple[str | None, ImageReference | None, bytes | None]


def sequences_of(
    document: InterleavedDocument, image_bytes: list[bytes | None], images_per_sequence: int
) -> Iterator[Sequence]:
    """The document's sequences, numbered from 0.

    Images without bytes are left out. Before the image that would be one too many, the texts since the last image are
    split: the first half (rounded up) goes to the sequence that ends, the rest to the next one, since a text may
    describe the image before or after it. A sequence without a text or without an image is useless for training and is
    left out.
    """
    nodes = [
        node
        for node in zip(document.texts, document.images, image_bytes, strict=True)
        if node[0] is not None or (node[1] is not None and node[1].status == OK)
    ]
    runs = list(_runs(nodes, images_per_sequence))
    for number, run in enumerate(run for run in runs if _trains(run)):
        yield Sequence(
            document_id=document.document_id,
            url=document.url,
            sequence=number,
            texts=[text for text, _, _ in run],
            images=[image for _, image, _ in run],
            image_bytes=[content for _, _, content in run if content is not None],
            last=run is runs[-1],
        )


def _runs(nodes: list[Node], images_per_sequence: int) -> Iterator[list[Node]]:
    start, images, last_image = 0, 0, -1
    for position, (_, image, _) in enumerate(nodes):
        if image is None:
            continue
        if images == images_per_sequence:
            between = position - last_image - 1
            cut = last_image + 1 + (between + 1) // 2
            yield nodes[start:cut]
            start, images = cut, 0
        images, last_image = images + 1, position
    yield nodes[start:]


def _trains(run: list[Node]) -> bool:
    return any(text for text, _, _ in run) and any(image for _, image, _ in run)
