"""Stage `filter`: documents whose signals break a rule are dropped, under the rule's name.

`documents_dropped.blocked_domain` (or what else `pipeline.blocklist` says) is a page whose URL is blocked,
`documents_dropped.opted_out` one whose owner does not want it used (section `consent`), `documents_dropped.language` a
language that the recipe does not list, `documents_dropped.RULE` a rule of `rules.document`. Reads only what `extract`
stored, so a threshold can be changed without reading the crawl again.
"""

from __future__ import annotations

import pyarrow.parquet as pq

from pipeline.attempt import Attempt
from pipeline.blocklist import BlockList
from pipeline.executor import Part
from pipeline.images.consent import TDM
from pipeline.images.opt_out import OPTED_OUT, OptOut
from pipeline.parquet import RowWriter
from pipeline.recipe import Consent, Recipe, Rules
from pipeline.rules import first_broken
from schemas.document import DOCUMENT_SCHEMA, InterleavedDocument


def process(attempt: Attempt, part: Part, recipe: Recipe) -> None:
    """Read `documents/extracted`, write `documents/kept`."""
    run, blocked = attempt.run, BlockList.from_recipe(recipe.urls.pages)
    opt_out = OptOut.from_files(recipe.consent.opt_out)
    with (
        run.fs.open(run.full(f"documents/extracted/{part.name}.parquet"), "rb") as source,
        attempt.create(f"documents/kept/{part.name}.parquet") as file,
        RowWriter(file, DOCUMENT_SCHEMA) as kept,
    ):
        for batch in pq.ParquetFile(source).iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                document = InterleavedDocument.from_row(row)
                reason = blocked.reason(row["url"]) or refusal(document, recipe.consent, opt_out)
                reason = reason or broken_rule(document, recipe.rules)
                if reason is None:
                    kept.write(row)
                attempt.counters["documents" if reason is None else f"documents_dropped.{reason}"] += 1


def refusal(document: InterleavedDocument, consent: Consent, opt_out: OptOut) -> str | None:
    """`opted_out` for a page whose own marks or whose place on a list say no; None for the others."""
    refused = {*consent.refuse, *([TDM] if consent.tdm else [])}
    return OPTED_OUT if refused.intersection(document.opt_out) or opt_out.covers(document.url) else None


def broken_rule(document: InterleavedDocument, rules: Rules) -> str | None:
    """The first reason to drop `document`, in the recipe's order, languages first; None if there is none."""
    if rules.languages and document.language not in rules.languages:
        return "language"
    score = document.language_score
    signals = {**document.signals, "language_score": float("nan") if score is None else score}
    return first_broken(rules.document, signals)
