"""Stage `filter`: blocked pages, other languages and what breaks a rule are dropped, each under its reason.

In this order, and the first reason counts: `documents_dropped.blocked_domain` (or what else
`m3w.pipeline.filters.blocklist` says)
is a page whose URL is blocked, `documents_dropped.opted_out` one whose owner does not want it used (section `consent`),
`documents_dropped.language` a language that the recipe does not list. Then nodes are dropped,
`text_nodes_dropped.RULE` and `image_references_dropped.RULE`; a document that lost nodes is measured again, and one
that lost its last image is `documents_dropped.no_image_left`. Last, `documents_dropped.RULE` is a rule of
`rules.document`. What is kept is masked (section `pii`), `masked.emails` and `masked.ip_addresses`; its signals are
those of the text before that. Reads only what `extract` stored, so a threshold can be changed without reading the crawl
again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow.parquet as pq

from m3w.pipeline.engine.attempt import Attempt
from m3w.pipeline.engine.drops import Drop, DropSample
from m3w.pipeline.engine.parquet import RowWriter
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.filters.blocklist import BlockList
from m3w.pipeline.filters.consent import OPTED_OUT, TDM, OptOut
from m3w.pipeline.filters.nodes import TEXT, drop_nodes, drop_of
from m3w.pipeline.filters.pii import Masking
from m3w.pipeline.filters.rules import Broken, broken
from m3w.pipeline.filters.section import Consent, Rules
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.filters.signals.document import count_nodes, measure_again
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage
from m3w.pipeline.recipe import Recipe
from m3w.schemas.document import InterleavedDocument

LANGUAGE = "language"
NO_IMAGE_LEFT = "no_image_left"


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/extracted`, write `documents/kept` and a sample of what is dropped to `drops/filter`."""
    run, keeper = attempt.run, _Filter(recipe, attempt.counters)
    with (
        run.fs.open(run.full(f"documents/extracted/{part.name}.parquet"), "rb") as source,
        attempt.create(f"documents/kept/{part.name}.parquet") as file,
        RowWriter(file, DOCUMENT_SCHEMA) as kept,
    ):
        for batch in pq.ParquetFile(source).iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                found = keeper.kept(row)
                if found is not None:
                    kept.write(found)
    attempt.counters.update({f"masked.{name}": count for name, count in keeper.masked.items()})
    keeper.sample.write(attempt)


class _Filter:
    """The recipe's rules, with what they look at."""

    def __init__(self, recipe: Recipe, counters: Counter[str]):
        self._recipe, self._counters = recipe, counters
        self._blocked = BlockList.from_recipe(recipe.urls.pages)
        self._opt_out = OptOut.from_files(recipe.consent.opt_out)
        self._lists = ListsByLanguage(recipe.word_lists)
        self.masked: Counter[str] = Counter()
        self._masking = Masking(recipe.pii, self.masked)
        self.sample = DropSample(recipe.drops.keep_per_reason)

    def kept(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The row of a document that stays, without what was taken out of it; None for one that is dropped."""
        document = InterleavedDocument.from_row(row)
        nodes = len(document.texts)
        reason = self._reason(document)
        if reason is not None:
            drop = drop_of("document", reason, document, document_text(document), None)
            self._counters[f"documents_dropped.{drop.reason}"] += 1
            self.sample.add(drop)
            return None
        self._counters["documents"] += 1
        changed = self._masking.mask_document(document) or len(document.texts) < nodes
        return document.row() if changed else row

    def _reason(self, document: InterleavedDocument) -> str | Broken | None:
        rules = self._recipe.rules
        reason = self._blocked.reason(document.url) or refusal(document, self._recipe.consent, self._opt_out)
        if reason is not None:
            return reason
        if rules.languages and document.language not in rules.languages:
            return LANGUAGE
        if rules.text or rules.image_reference:
            self._drop_nodes(document)
            if not document.signals["image_nodes"]:
                return NO_IMAGE_LEFT
        return broken_rule(document, rules)

    def _drop_nodes(self, document: InterleavedDocument) -> None:
        drops = drop_nodes(document, self._recipe.rules, self._lists.of(document.language))
        if any(drop.kind == TEXT for drop in drops):
            measure_again(document, self._lists)
        elif drops:
            document.signals |= count_nodes(document)
        for drop in drops:
            self._count(drop)
        self._counters["text_nodes"] += int(document.signals["text_nodes"])
        self._counters["image_references"] += int(document.signals["image_nodes"])

    def _count(self, drop: Drop) -> None:
        unit = "text_nodes" if drop.kind == TEXT else "image_references"
        self._counters[f"{unit}_dropped.{drop.reason}"] += 1
        self.sample.add(drop)


def refusal(document: InterleavedDocument, consent: Consent, opt_out: OptOut) -> str | None:
    """`opted_out` for a page whose own marks or whose place on a list say no; None for the others."""
    refused = {*consent.refuse, *([TDM] if consent.tdm else [])}
    return OPTED_OUT if refused.intersection(document.opt_out) or opt_out.covers(document.url) else None


def broken_rule(document: InterleavedDocument, rules: Rules) -> Broken | None:
    """The first rule on documents that `document` breaks, in the recipe's order; None if there is none."""
    score = document.language_score
    signals = {**document.signals, "language_score": float("nan") if score is None else score}
    return broken(rules.document, signals, document.language)
