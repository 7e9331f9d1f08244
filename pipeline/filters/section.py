"""Sections of a recipe: what is kept, what is measured for it, what is masked."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.filters.rules import Rule, check_rules
from m3w.pipeline.filters.signals import REFERENCE_SIGNALS, TEXT_SIGNALS
from m3w.recipes.section import Section


class Rules(Section):
    """What is kept: ranges on signals; the rule's name is the reason of a drop."""

    languages: list[Language] = ["en"]
    """An empty list keeps every language."""
    text: dict[str, Rule] = {}
    """On text nodes; one that breaks a rule is removed from its document."""
    image_reference: dict[str, Rule] = {}
    """On image references, before anything is fetched; likewise."""
    document: dict[str, Rule] = {}
    """On documents; signals are the built-in ones and those of the section `signals`."""
    formats: list[Literal["jpeg", "png", "gif", "webp"]] = []
    """Formats of fetched images to keep; an empty list keeps all supported ones. The reason of a drop is `format`."""
    image: dict[str, Rule] = {
        "too_small": Rule(signal="shorter_side", min=64),
        "aspect_ratio": Rule(max=3),
        "single_colour": Rule(signal="colour_range", min=1),
    }
    """The paper's (arXiv 2204.14198, appendix A.3.1): 64 px, ratio 3, not one colour."""

    @model_validator(mode="after")
    def _known_signals(self) -> Self:
        check_rules(self.text, TEXT_SIGNALS, "rules.text")
        check_rules(self.image_reference, REFERENCE_SIGNALS, "rules.image_reference")
        with_languages = [name for name, rule in self.image.items() if rule.languages]
        if with_languages:
            raise ValueError(f"rules.image.{with_languages[0]} names languages, but an image has none; leave them out")
        return self


class BlockedUrls(Section):
    """Which URLs are blocked; `m3w.pipeline.filters.blocklist` says what matches."""

    domain_files: list[NamedFile] = []
    """Files with one domain per line; a domain includes all its subdomains."""
    word_files: list[NamedFile] = []
    """Files with one word per line."""
    words: list[Annotated[str, Field(pattern=r"^\w+$")]] = []
    """Matched as whole words of host and path."""
    substrings: list[Annotated[str, Field(min_length=1)]] = []
    """Matched anywhere in host and path."""
    adult_words: bool = False
    """The list that ships with this package."""


class Urls(Section):
    """Block lists. A blocked page is dropped after extraction, a blocked image before it is fetched."""

    pages: BlockedUrls = BlockedUrls()
    images: BlockedUrls = BlockedUrls()


Directive = Literal["noai", "noimageai", "noindex", "noimageindex"]


class Consent(Section):
    """Which opt-outs are respected."""

    refuse: list[Directive] = ["noai", "noimageai", "noindex", "noimageindex"]
    """In X-Robots-Tag headers of images, and in headers and meta tags of pages."""
    tdm: bool = True
    """TDM reservations (TDMRep): headers, meta tags, and the file /.well-known/tdmrep.json of an image's host."""
    opt_out: list[NamedFile] = []
    """Files with one URL or domain per line: their images and pages are left out, in this and every later build."""


class Pii(Section):
    """What is masked in the texts, titles, alternative texts and captions of kept documents; see
    `m3w.pipeline.filters.pii`."""

    emails: bool = False
    ip_addresses: bool = False
