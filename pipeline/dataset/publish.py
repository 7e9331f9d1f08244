"""The last step of a run: `dataset.json` and the dataset card, which make the shards a dataset."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version

from m3w.pipeline.dataset.card import dataset_card
from m3w.pipeline.dataset.split import SPLITS
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.run import Run
from m3w.pipeline.recipe import RESULT_FIELDS, Recipe
from m3w.schemas.manifest import DocumentShard, Manifest, SequenceShard, Split
from m3w.schemas.sequence import INDEX_SUFFIX

FOLDER = "dataset/"


def publish(run: Run, recipe: Recipe, shards: dict[str, LedgerEntry], counts: dict[str, dict[str, int]]) -> Manifest:
    """Write the manifest of `shards` and the card; `counts` are the counters by stage, summed over parts."""
    manifest = Manifest(
        m3w_version=version("m3w"),
        recipe_sha256=recipe.digest(RESULT_FIELDS),
        splits={split: _split(entries) for split in SPLITS if (entries := _of_split(shards, split))},
        counts=counts,
    )
    _remove_strangers(run, shards)
    run.write_if_changed(f"{FOLDER}dataset.json", manifest.to_json())
    run.write_if_changed(f"{FOLDER}README.md", dataset_card(manifest, recipe))
    return manifest


def _remove_strangers(run: Run, shards: dict[str, LedgerEntry]) -> None:
    """Remove shards of which no ledger entry knows: readers find shards by a glob, not by the manifest.

    An attempt that was killed between its outputs and its ledger entry leaves some, under names that a changed recipe
    does not write again.
    """
    known = {output.path for entry in shards.values() for output in entry.outputs}
    for folder in ("documents", "sequences"):
        for name in run.names(f"{FOLDER}{folder}"):
            if name not in known:
                run.remove(name)


def sum_counters(entries: dict[str, LedgerEntry]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for entry in entries.values():
        total.update(entry.counters)
    return dict(sorted(total.items()))


def _of_split(shards: dict[str, LedgerEntry], split: str) -> list[LedgerEntry]:
    return [entry for name, entry in sorted(shards.items()) if name.startswith(f"{split}-")]


def _split(entries: list[LedgerEntry]) -> Split:
    return Split(documents=[_documents(entry) for entry in entries], sequences=[_sequences(entry) for entry in entries])


def _documents(entry: LedgerEntry) -> DocumentShard:
    output = _output(entry, ".parquet", "documents/")
    return DocumentShard(
        path=output.path.removeprefix(FOLDER),
        sha256=output.sha256,
        bytes=output.bytes,
        documents=output.rows,
        images=entry.counters.get("images", 0),
    )


def _sequences(entry: LedgerEntry) -> SequenceShard:
    tar, index = _output(entry, ".tar", "sequences/"), _output(entry, INDEX_SUFFIX, "sequences/")
    return SequenceShard(
        path=tar.path.removeprefix(FOLDER),
        sha256=tar.sha256,
        bytes=tar.bytes,
        index=index.path.removeprefix(FOLDER),
        index_sha256=index.sha256,
        samples=tar.rows,
        images=entry.counters.get("sequence_images", 0),
    )


def _output(entry: LedgerEntry, suffix: str, folder: str) -> Output:
    return next(o for o in entry.outputs if o.path.startswith(FOLDER + folder) and o.path.endswith(suffix))
