"""Where texts and images stand in documents: counts, positions, and the text between two images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3w.schemas.document import OK

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The nodes of a batch of documents, one behind another."""

    documents: int
    document: Whole
    """Of each node: the row of its document in the batch."""
    position: Whole
    """Of each node: its place in its document."""
    nodes: Whole
    """Of each document: how many nodes it has."""
    characters: Whole
    """Of each node: the length of its text; 0 of an image."""
    is_image: NDArray[np.bool_]
    """Image references, whatever became of them."""
    is_ok: NDArray[np.bool_]
    """Images with bytes in the dataset."""

    def per_document(self, chosen: NDArray[np.bool_]) -> pa.Array:
        return pa.array(np.bincount(self.document[chosen], minlength=self.documents))

    def relative_positions(self) -> pa.Array:
        """Of each image: nodes before it by all other nodes of the document, 0 where there are none."""
        others = self.nodes[self.document] - 1
        return pa.array((self.position / np.maximum(others, 1))[self.is_ok])

    def characters_between(self) -> pa.Array:
        """Characters of text from each image to the next image of the same document."""
        before = np.concatenate([[0], np.cumsum(self.characters)])[:-1][self.is_ok]
        document = self.document[self.is_ok]
        same = document[1:] == document[:-1]
        return pa.array((before[1:] - before[:-1])[same])


def layout_of(texts: pa.ListArray, images: pa.ListArray) -> Layout:
    """The layout of documents from their parallel lists."""
    nodes = pc.list_value_length(texts).to_numpy().astype(np.int64)
    document = np.repeat(np.arange(len(nodes)), nodes)
    first = np.cumsum(nodes) - nodes
    references = pc.list_flatten(images)
    characters = pc.fill_null(pc.utf8_length(pc.list_flatten(texts)), 0)
    is_ok = pc.fill_null(pc.equal(pc.struct_field(references, "status"), OK), False)
    return Layout(
        documents=len(nodes),
        document=document,
        position=np.arange(len(document)) - first[document],
        nodes=nodes,
        characters=characters.to_numpy().astype(np.int64),
        is_image=pc.is_valid(references).to_numpy(zero_copy_only=False),
        is_ok=is_ok.to_numpy(zero_copy_only=False),
    )
