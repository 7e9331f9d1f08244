"""A dataset's statistics from its manifest, its Parquet columns and the sequences' indexes; no image bytes are read.

Cost: one pass over texts, signals and a few short columns (about 2 KB a document) and over `members` of each tar's
index. pyarrow's kernels do the work on batches; docs/decisions/statistics.md says why no engine stands beside them.
"""

from __future__ import annotations

from itertools import chain

from m3w.pipeline.inspect.distributions import FEW
from m3w.pipeline.inspect.figures import SplitTotals, Statistics
from m3w.pipeline.inspect.folder import DatasetFolder, open_dataset
from m3w.pipeline.inspect.funnel import faults, funnel
from m3w.pipeline.inspect.gather import DOCUMENT_COLUMNS, INDEX_COLUMNS, Documents, Sequences
from m3w.pipeline.inspect.tokens import DOCUMENTS, TokenCount
from m3w.schemas.manifest import Manifest, Split


def statistics(dataset: str, *, tokenizer: str | None = None, tokenized: int = DOCUMENTS) -> Statistics:
    """The figures of the dataset at `dataset`, or of that in the run there, on any fsspec path.

    With `tokenizer`, a folder or file of the library tokenizers, the tokens of about `tokenized` documents, too; 0: of
    all. Raises `InputError` for a folder that is neither and for shards that are missing or damaged, `ManifestError`
    for a `dataset.json` that this version cannot read.
    """
    folder = open_dataset(dataset)
    manifest = folder.manifest
    tokens = None if tokenizer is None else TokenCount(tokenizer, _documents(manifest), tokenized)
    documents, sequences = Documents(tokens), Sequences()
    _read(folder, documents, sequences)
    numbers = {name: each.close() for name, each in chain(documents.numbers(), sequences.numbers())}
    numbers["documents_per_host"] = documents.hosts.per_value("Documents per host", "documents", FEW)
    return Statistics(
        dataset=folder.path,
        m3w_version=manifest.m3w_version,
        recipe_sha256=manifest.recipe_sha256,
        splits={name: _totals(split) for name, split in manifest.splits.items()},
        funnel=funnel(manifest.counts),
        faults=faults(manifest.counts),
        distributions=numbers,
        frequencies={name: each.close() for name, each in chain(documents.values(), sequences.values())},
        signals={name: each.close() for name, each in documents.signals()},
        repetition=documents.repetition(),
        tokens=None if tokens is None else tokens.close(),
    )


def _read(folder: DatasetFolder, documents: Documents, sequences: Sequences) -> None:
    for split in folder.manifest.splits.values():
        for shard in split.documents:
            for batch in folder.columns(shard.path, DOCUMENT_COLUMNS):
                documents.add(batch)
        for tar in split.sequences:
            for batch in folder.columns(tar.index, INDEX_COLUMNS):
                sequences.add(batch)


def _documents(manifest: Manifest) -> int:
    return sum(shard.documents for split in manifest.splits.values() for shard in split.documents)


def _totals(split: Split) -> SplitTotals:
    return SplitTotals(
        documents=sum(shard.documents for shard in split.documents),
        images=sum(shard.images for shard in split.documents),
        sequences=sum(shard.samples for shard in split.sequences),
        sequence_images=sum(shard.images for shard in split.sequences),
        document_shards=len(split.documents),
        document_bytes=sum(shard.bytes for shard in split.documents),
        sequence_shards=len(split.sequences),
        sequence_bytes=sum(shard.bytes for shard in split.sequences),
    )
