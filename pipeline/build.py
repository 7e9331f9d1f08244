"""`m3w build`: a recipe to a dataset, stage by stage. Called again it goes on where the ledger ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath

from m3w.pipeline.crawl import select
from m3w.pipeline.crawl.parts import archive_parts
from m3w.pipeline.dataset import assemble, join
from m3w.pipeline.dataset.publish import publish, sum_counters
from m3w.pipeline.dedup import (
    deduplicate,
    repeated,
    unique,
)
from m3w.pipeline.dedup import (
    document_hashes as fingerprint,
)
from m3w.pipeline.dedup import (
    frequent_images as frequent,
)
from m3w.pipeline.dedup import (
    hash_evaluation as evaluation,
)
from m3w.pipeline.dedup.evaluation import evaluation_inputs
from m3w.pipeline.engine.executor import Executor, StageFailed
from m3w.pipeline.engine.group_by import ALL, Grouping, work_off
from m3w.pipeline.engine.ledger import LedgerEntry, Output
from m3w.pipeline.engine.progress import Progress
from m3w.pipeline.engine.retrying import store_failures
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.run_lock import claimed
from m3w.pipeline.engine.stage import Part, Pool, Stage
from m3w.pipeline.exchange import import_documents as samples
from m3w.pipeline.extract import stage as extract
from m3w.pipeline.fetch import image_results as links
from m3w.pipeline.fetch import requests
from m3w.pipeline.fetch.redirect_rounds import fetch_in_waves
from m3w.pipeline.filters import filter
from m3w.pipeline.filters.blocklist import BlockList
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage
from m3w.pipeline.images import score
from m3w.pipeline.images.hashes import read_forbidden
from m3w.pipeline.images.scorers import check_scorers
from m3w.pipeline.recipe import RESULT_FIELDS, STAGE_FIELDS, Recipe, stages_of
from m3w.schemas.manifest import Manifest

Entries = dict[str, LedgerEntry]

STAGE_VERSIONS = {
    **dict.fromkeys(STAGE_FIELDS, 1),
    **{"extract": 4, "fetch": 4, "deduplicate": 2, "unique": 2, "join": 3, "assemble": 3},
}
"""Raised for a stage whose code would now give another result; its parts are then redone."""


def build(recipe: Recipe, path: str, *, address: str | None = None, progress: Progress | None = None) -> Manifest:
    """Bring the run in the folder `path` to a finished dataset.

    Raises `InputError` before anything is written, also where another build is at work on the run (`RunInUse`),
    `StageFailed` where a stage ends with too many failed parts, `ClaimLost` where another build took the run over,
    `StoreFailed` where the run's folder cannot be written.
    """
    parts = select.plan(recipe.crawl) if recipe.crawl.index.paths else _archive_parts(recipe)
    check_lists(recipe)
    evaluated = evaluation_inputs(recipe.duplicates.evaluation)
    progress = progress or Progress()
    with (
        store_failures(path),
        claimed(Run.create(path), recipe.execution.driver_timeout_s, progress.standing, progress.note) as claim,
    ):
        run = claim.run
        run.write_if_changed("recipe.yaml", recipe.to_yaml())
        executor = Executor(run, recipe, progress, address, claim.check)
        manifest = _Build(recipe, executor).work(parts, evaluated)
        run.remove("tmp")
    return manifest


def check_lists(recipe: Recipe) -> None:
    """Read the lists that the recipe names, so that a wrong one ends the build before anything is written."""
    BlockList.from_recipe(recipe.urls.pages)
    requests.refusal(recipe)
    ListsByLanguage(recipe.word_lists)
    read_forbidden(recipe.images.forbidden, recipe.images.forbidden_distance)
    check_scorers(recipe.scores.scorers)
    recipe.digest(RESULT_FIELDS)


@dataclass
class _Build:
    recipe: Recipe
    executor: Executor
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def work(self, parts: list[Part], evaluated: list[str]) -> Manifest:
        """The stages in order. Each takes what the one before has committed, named by its content's hash."""
        if self.recipe.scores.scorers:
            self.executor.check_gpus(self.recipe.scores.gpus, "scores.gpus")
        if self.recipe.crawl.index.paths:
            parts = self._select(parts)
        ready_made = self.recipe.crawl.format != "warc"
        extracted = self._stage("extract", samples.process if ready_made else extract.process, parts)
        kept = self._stage("filter", filter.process, _following(extracted))
        self._forget_what_is_off()
        known = self._evaluation(evaluated)
        distinct = self._unique(kept, known)
        fetched = self._fetch(_side_by_side(distinct, extracted))
        linked = self._group(links.grouping(self._fingerprint("links")), fetched)
        groupings = [linked, *self._frequent(distinct, linked), self._score(distinct, linked)]
        joined = self._stage("join", join.process, _following(distinct, *groupings, known=known))
        shards = self._stage("assemble", assemble.process, assemble.plan(joined, self.recipe.dataset.shard_mib))
        return publish(self.executor.run, self.recipe, shards, self.counts)

    def _select(self, index_files: list[Part]) -> list[Part]:
        """The parts of the pages that the recipe's index names. Raises `InputError` if there are none."""
        found = self._stage("select", select.process, index_files)
        select.check_some(self.counts["select"])
        pages = self._count("select", "pages")
        grouping = select.grouping(self._fingerprint("selected"), pages, self.recipe.crawl.index.pages_per_part)
        (selected,) = self._group(grouping, found).values()
        return select.parts(selected)

    def _forget_what_is_off(self) -> None:
        """Take out of the run what stages made that this recipe passes over."""
        for stage in set(STAGE_FIELDS) - set(stages_of(self.recipe)):
            for entry in self.executor.run.entries(stage).values():
                for output in entry.outputs:
                    self.executor.run.remove(output.path)
            self.executor.run.remove(f"ledger/{stage}")

    def _evaluation(self, inputs: list[str]) -> Entries:
        """The evaluation sets as hashes. Without them the build ends: everything would pass as not in them."""
        if not inputs:
            return {}
        known = self._stage("evaluation", evaluation.process, [Part(name=ALL, inputs=inputs)])
        if not known:
            raise StageFailed(f"the evaluation sets could not be read; see m3w status {self.executor.run.path}")
        return known

    def _unique(self, kept: Entries, known: Entries) -> Entries:
        """Kept documents without copies."""
        switches, documents = self.recipe.duplicates, self._count("filter", "documents")
        prints = self._stage("fingerprint", fingerprint.process, _following(kept, known=known))
        copies = self._group(
            deduplicate.grouping(self._fingerprint("deduplicate"), switches, sorted(kept), documents), prints
        )
        groupings = [copies]
        if switches.finds_repetitions:
            counted = repeated.grouping(self._fingerprint("repeated"), switches, documents)
            groupings.append(self._group(counted, _with_files(kept, copies)))
        kept = {name: entry for name, entry in kept.items() if name in prints}
        return self._stage("unique", unique.process, _following(kept, *groupings))

    def _frequent(self, distinct: Entries, linked: Entries) -> list[Entries]:
        """The grouping of images that too many documents show, if the recipe asks for it."""
        if self.recipe.duplicates.image_documents is None:
            return []
        references = self._count("extract", "image_references")
        grouping = frequent.grouping(self._fingerprint("frequent"), self.recipe.duplicates, references)
        return [self._group(grouping, _with_files(distinct, linked))]

    def _score(self, distinct: Entries, linked: Entries) -> Entries:
        """What the recipe's scorers say of the images, if it has any."""
        scores = self.recipe.scores
        if not scores.scorers:
            return {}
        pool = Pool(actors=scores.actors, gpus=scores.gpus)
        return self._stage("score", score.process, _following(distinct, linked), pool)

    def _fetch(self, documents: Entries) -> Entries:
        """Ask for the images of documents, each once."""
        groups = requests.group_count(self._count("extract", "image_references"), self.recipe.fetch.urls_per_part)
        refusal = requests.refusal(self.recipe)
        requested = self._group(
            requests.grouping(self._fingerprint("requests"), groups, self.recipe, refusal), documents
        )
        (entry,) = requested.values()
        fetched = fetch_in_waves(self.executor, entry, self.recipe.fetch, self._fingerprint("fetch"), groups)
        self.counts["fetch"] = sum_counters(fetched)
        return fetched

    def _stage(self, name: str, process: Callable[..., None], parts: list[Part], pool: Pool | None = None) -> Entries:
        stage = Stage(name=name, fingerprint=self._fingerprint(name), process=process, pool=pool)
        entries = self.executor.work_off(stage, parts)
        self.counts[name] = sum_counters(entries)
        return entries

    def _group(self, grouping: Grouping, entries: Entries) -> Entries:
        entry = work_off(self.executor, grouping, entries.values())
        self.counts[grouping.name] = entry.counters
        return {entry.part: entry}

    def _fingerprint(self, stage: str) -> str:
        return hashlib.sha256(f"{STAGE_VERSIONS[stage]} {self.recipe.digest(STAGE_FIELDS[stage])}".encode()).hexdigest()

    def _count(self, stage: str, name: str) -> int:
        return self.counts[stage].get(name, 0)


def _archive_parts(recipe: Recipe) -> list[Part]:
    return [Part(name=part.name, inputs=[part.input], work=part.work) for part in archive_parts(recipe.crawl)]


def _following(entries: Entries, *groupings: Entries, known: Entries | None = None) -> list[Part]:
    """A part for each part of the stage before, that also reads the files which groupings wrote under its name.

    And what is `known` to all parts.
    """
    shared = [output for entry in (known or {}).values() for output in entry.outputs]
    return [
        Part(name=name, inputs=[f"{output.path} of sha256 {output.sha256}" for output in (*entry.outputs, *shared)])
        for name, entry in _with_files(entries, *groupings).items()
    ]


def _with_files(entries: Entries, *groupings: Entries) -> Entries:
    """Entries of a stage that also name the files which groupings wrote under their parts' names."""
    by_part: dict[str, list[Output]] = {}
    for grouping in groupings:
        for entry in grouping.values():
            for output in entry.outputs:
                by_part.setdefault(PurePath(output.path).stem, []).append(output)
    return {
        name: entry.model_copy(update={"outputs": [*entry.outputs, *by_part.get(name, [])]})
        for name, entry in entries.items()
    }


def _side_by_side(first: Entries, second: Entries) -> Entries:
    """Entries of one stage that also name the outputs of another's part of the same name."""
    return {
        name: entry.model_copy(update={"outputs": [*entry.outputs, *second[name].outputs], "faults": []})
        for name, entry in first.items()
    }
