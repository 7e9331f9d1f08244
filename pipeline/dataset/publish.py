"""The last step of a run: writes `dataset.json` and the dataset card, which turn the shards into a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from m3w.pipeline.dataset.card import CardSettings, dataset_card
from m3w.pipeline.engine.inputs import Entries
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.stage import Stage
from m3w.pipeline.engine.table import Table
from m3w.pipeline.tables import DOCUMENT_SHARDS, SEQUENCE_INDEXES, SEQUENCE_SHARDS, SPLITS
from m3w.schemas.manifest import DocumentShard, Manifest, SequenceShard, Split

FOLDER = "dataset/"


def publish(
    run: Run,
    shards: Entries,
    counts: dict[str, dict[str, int]],
    *,
    recipe_sha256: str,
    card: CardSettings,
    stages: Sequence[Stage],
) -> Manifest:
    """Write the manifest of `shards` and the card; `counts` are the counters by stage, summed over parts."""
    manifest = Manifest(
        m3w_version=version("m3w"),
        recipe_sha256=recipe_sha256,
        splits={split: _split(entries) for split in SPLITS if (entries := _of_split(shards, split))},
        counts=counts,
    )
    _remove_unlisted(run, shards)
    run.write_if_changed(f"{FOLDER}dataset.json", manifest.to_json())
    run.write_if_changed(f"{FOLDER}README.md", dataset_card(manifest, card, stages))
    return manifest


def _remove_unlisted(run: Run, shards: Entries) -> None:
    """Remove shards that are in no ledger entry, because some readers find shards by a glob, not by the manifest.

    An attempt that was killed between its outputs and its ledger entry leaves such files, under names that a changed
    recipe does not overwrite.
    """
    listed = {output.path for entry in shards.values() for output in entry.outputs}
    for table in (DOCUMENT_SHARDS, SEQUENCE_SHARDS):
        for name in run.names(table.folder):
            if name not in listed:
                run.remove(name)


def _of_split(shards: Entries, split: str) -> list[LedgerEntry]:
    return [entry for name, entry in sorted(shards.items()) if name.startswith(f"{split}-")]


def _split(entries: list[LedgerEntry]) -> Split:
    return Split(documents=[_documents(entry) for entry in entries], sequences=[_sequences(entry) for entry in entries])


def _documents(entry: LedgerEntry) -> DocumentShard:
    output = _output(entry, DOCUMENT_SHARDS)
    return DocumentShard(
        path=output.path.removeprefix(FOLDER),
        sha256=output.sha256,
        bytes=output.bytes,
        documents=output.rows,
        images=entry.counters.get("images", 0),
    )


def _sequences(entry: LedgerEntry) -> SequenceShard:
    tar, index = _output(entry, SEQUENCE_SHARDS), _output(entry, SEQUENCE_INDEXES)
    return SequenceShard(
        path=tar.path.removeprefix(FOLDER),
        sha256=tar.sha256,
        bytes=tar.bytes,
        index=index.path.removeprefix(FOLDER),
        index_sha256=index.sha256,
        samples=tar.rows,
        images=entry.counters.get("sequence_images", 0),
    )


def _output(entry: LedgerEntry, table: Table) -> Output:
    return next(output for output in entry.outputs if table.holds(output.path))
