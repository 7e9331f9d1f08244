"""Tokens of a dataset's texts by a tokenizer of choice: a `tokenizer.json`, read by `tokenizers` alone.

Tokenizing is a hundred times slower than the other statistics, so only documents at even distances are tokenized; the
result says how many.
"""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from m3w.pipeline.inspect.accumulators import MANY, Numbers
from m3w.pipeline.inspect.figures import Tokens
from m3w.recipes.errors import InputError

DOCUMENTS = 20_000
"""Tokenized by default: about 10 seconds on two cores."""
FILE = "tokenizer.json"


def open_tokenizer(path: str) -> Tokenizer:
    """The tokenizer in the file `path` or in `path`/tokenizer.json, on any fsspec path. Raises `InputError`.

    Special tokens are off: a page that contains the characters of one is tokenized as plain text.
    """
    name = path if path.endswith(".json") else f"{path.rstrip('/')}/{FILE}"
    try:
        with fsspec.open(name, "rb") as file:
            content = file.read()
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"{name} cannot be read ({error}); give a folder with a {FILE}, as save_pretrained writes it"
        ) from error
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # tokenizers raises ValueError or a bare Exception for a file that it did not write
        raise InputError(f"{name} is no tokenizer ({error}); give a {FILE} of the library tokenizers") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class TokenCount:
    """Tokens of every `step`-th document."""

    def __init__(self, path: str, documents: int, wanted: int):
        """`documents`: how many the dataset has; about `wanted` of them are tokenized (0: all)."""
        self._tokenizer, self._name = open_tokenizer(path), str(Path(path)) if "://" not in path else path
        self._step = max(1, documents // wanted) if wanted else 1
        self._seen = self._counted = self._characters = self._all_characters = 0
        self._per_document = Numbers("Tokens per document", "tokens", MANY)

    def add(self, texts: pa.ListArray, characters: int) -> None:
        """Count the texts of a batch of documents, `characters` long in total."""
        self._all_characters += characters
        first = -self._seen % self._step
        self._seen += len(texts)
        chosen = texts.take(pa.array(range(first, len(texts), self._step), pa.int64()))
        nodes, document = pc.list_flatten(chosen), pc.list_parent_indices(chosen)
        is_text = pc.is_valid(nodes)
        words, owners = nodes.filter(is_text).to_pylist(), document.filter(is_text).to_numpy()
        encoded = self._tokenizer.encode_batch_fast(words, add_special_tokens=False)
        lengths = np.array([len(each.ids) for each in encoded], np.int64)
        self._characters += sum(map(len, words))
        self._counted += int(lengths.sum())
        self._per_document.add(pa.array(np.bincount(owners, lengths, len(chosen)).astype(np.int64)))

    def close(self) -> Tokens:
        per_document = self._per_document.close()
        ratio = self._counted / self._characters if self._characters else 0.0
        exact = per_document.count == self._seen
        return Tokens(
            tokenizer=self._name,
            vocabulary=self._tokenizer.get_vocab_size(),
            documents=per_document.count,
            counted=self._counted,
            characters=self._characters,
            estimated=self._counted if exact else round(self._all_characters * ratio),
            exact=exact,
            per_document=per_document,
        )
