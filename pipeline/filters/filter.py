"""Stage `filter`: drops blocked pages, other languages, and documents and nodes that break a rule, by reason.

The checks run in this order, and the first reason counts:

1. `documents_dropped.blocked_domain` (or another reason of `m3w.pipeline.filters.blocklist`): the URL is blocked.
2. `documents_dropped.opted_out`: the owner refuses the use of the page (section `consent`).
3. `documents_dropped.language`: the recipe does not list the language.
4. Nodes that break a rule are removed: `text_nodes_dropped.RULE`, `image_references_dropped.RULE`. A document that lost
   nodes is measured again; one that lost its last image is `documents_dropped.no_image_left`.
5. `documents_dropped.RULE`: the document breaks a rule of `rules.document`.

Documents that are kept are masked (section `pii`; counters `masked.emails` and `masked.ip_addresses`); their signals
are those of the text before masking. The stage reads only what `extract` stored, so a threshold can be changed without
reading the crawl again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.engine.drops import DROPS, Drop
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Cause, Flow, per_part
from m3w.pipeline.engine.stage_io import StageIO
from m3w.pipeline.filters.blocklist import ADULT, DOMAIN, MALFORMED, SUBSTRING, WORD, BlockList
from m3w.pipeline.filters.consent import OPTED_OUT, TDM, OptOut
from m3w.pipeline.filters.nodes import TEXT, drop_nodes, drop_of
from m3w.pipeline.filters.pii import Masking
from m3w.pipeline.filters.rules import Broken, Rule, broken
from m3w.pipeline.filters.section import BlockedUrls, Pii
from m3w.pipeline.filters.signals import load_signals
from m3w.pipeline.filters.signals.document import count_nodes, measure_again
from m3w.pipeline.filters.signals.registry import SignalEntry
from m3w.pipeline.filters.signals.text import document_text
from m3w.pipeline.filters.signals.word_lists import ListsByLanguage, WordListFiles
from m3w.pipeline.tables import EXTRACTED, KEPT
from m3w.schemas.document import InterleavedDocument

LANGUAGE = "language"
NO_IMAGE_LEFT = "no_image_left"
BLOCK_LIST_CAUSES: dict[str, Cause] = dict.fromkeys((DOMAIN, ADULT, WORD, SUBSTRING, MALFORMED), "block_list")


@settings
class FilterSettings:
    blocked: BlockedUrls = key("urls.pages")
    refuse: list[str] = key("consent.refuse")
    tdm: bool = key("consent.tdm")
    opt_out: list[NamedFile] = key("consent.opt_out")
    word_lists: WordListFiles = key("word_lists")
    signals: dict[str, SignalEntry] = key("signals")
    languages: list[Language] = key("rules.languages")
    text: dict[str, Rule] = key("rules.text")
    image_reference: dict[str, Rule] = key("rules.image_reference")
    document: dict[str, Rule] = key("rules.document")
    pii: Pii = key("pii")


def check(settings: FilterSettings) -> None:
    """Raises `InputError` for a list that cannot be read or has an invalid entry."""
    _Filter(settings)


@per_part(
    reads=[EXTRACTED],
    writes=[KEPT, DROPS],
    settings=FilterSettings,
    check=check,
    units=("documents",),
    flows=(
        Flow(
            unit="documents",
            entered_as="documents extracted",
            entered=("extract", "documents"),
            kept_as="documents within the rules",
            kept="documents",
        ),
        Flow(
            unit="text_nodes",
            entered_as="texts of documents that the rules on nodes saw",
            kept_as="texts within the rules",
            kept="text_nodes",
        ),
        Flow(
            track="images",
            unit="image_references",
            entered_as="image references of documents that the rules on nodes saw",
            kept_as="image references within the rules",
            kept="image_references",
        ),
    ),
    causes={**BLOCK_LIST_CAUSES, OPTED_OUT: "opt_out", NO_IMAGE_LEFT: "left_over"},
    refusals={f"documents_dropped.{OPTED_OUT}": "pages: refused by their opt-out marks or by a list"},
)
def filter(io: StageIO, settings: FilterSettings) -> None:
    """Keep the part's documents that pass the recipe's block lists, opt-outs and rules."""
    documents = _Filter(settings)
    with io.write(KEPT, like=EXTRACTED) as kept:
        for row in io.rows(EXTRACTED, size=1000):
            result = documents.kept(row, io)
            if result is not None:
                kept.write(result)
    io.counters.update({f"masked.{name}": count for name, count in documents.masked.items()})


class _Filter:
    """The recipe's rules, with the lists and signals that they use."""

    def __init__(self, settings: FilterSettings):
        self._settings = settings
        self._blocked = BlockList.from_recipe(settings.blocked)
        self._opt_out = OptOut.from_files(settings.opt_out)
        self._lists, self._signals = ListsByLanguage(settings.word_lists), load_signals(settings.signals)
        self.masked: Counter[str] = Counter()
        self._masking = Masking(settings.pii, self.masked)

    def kept(self, row: dict[str, Any], io: StageIO) -> dict[str, Any] | None:
        """The document's row without what was removed from it; None if the document is dropped."""
        document = InterleavedDocument.from_row(row)
        nodes = len(document.texts)
        reason = self._reason(document, io)
        if reason is not None:
            io.drop("documents", drop_of("document", reason, document, document_text(document), None))
            return None
        io.counters["documents"] += 1
        changed = self._masking.mask_document(document) or len(document.texts) < nodes
        return document.row() if changed else row

    def _reason(self, document: InterleavedDocument, io: StageIO) -> str | Broken | None:
        settings = self._settings
        reason = self._blocked.reason(document.url) or self._refusal(document)
        if reason is not None:
            return reason
        if settings.languages and document.language not in settings.languages:
            return LANGUAGE
        if settings.text or settings.image_reference:
            self._drop_nodes(document, io)
            if not document.signals["image_nodes"]:
                return NO_IMAGE_LEFT
        return broken_rule(document, settings.document)

    def _refusal(self, document: InterleavedDocument) -> str | None:
        """`opted_out` for a page that is refused by its own marks or by a list; None for the others."""
        refused = {*self._settings.refuse, *([TDM] if self._settings.tdm else [])}
        return OPTED_OUT if refused.intersection(document.opt_out) or self._opt_out.covers(document.url) else None

    def _drop_nodes(self, document: InterleavedDocument, io: StageIO) -> None:
        drops = drop_nodes(document, self._settings, self._lists.of(document.language))
        if any(drop.kind == TEXT for drop in drops):
            measure_again(document, self._lists, self._signals)
        elif drops:
            document.signals |= count_nodes(document)
        for drop in drops:
            io.drop(_unit(drop), drop)
        io.counters["text_nodes"] += int(document.signals["text_nodes"])
        io.counters["image_references"] += int(document.signals["image_nodes"])


def _unit(drop: Drop) -> str:
    return "text_nodes" if drop.kind == TEXT else "image_references"


def broken_rule(document: InterleavedDocument, rules: dict[str, Rule]) -> Broken | None:
    """The first rule, in the recipe's order, that `document` breaks; None if it breaks none."""
    score = document.language_score
    signals = {**document.signals, "language_score": float("nan") if score is None else score}
    return broken(rules, signals, document.language)
