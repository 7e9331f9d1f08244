"""The recipe's sections `rules`, `urls`, `consent` and `pii`: what is kept, blocked, refused and masked."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.filters.rules import Rule, check_rules
from m3w.pipeline.filters.signals import REFERENCE_SIGNALS, TEXT_SIGNALS
from m3w.recipes.section import Section


class Rules(Section):
    """What is kept: ranges of signals. The rule's name is the reason of a drop."""

    languages: list[Language] = ["en"]
    """Languages to keep; an empty list keeps all."""
    text: dict[str, Rule] = {}
    """Rules on text nodes; a node that breaks one is removed from its document."""
    image_reference: dict[str, Rule] = {}
    """Rules on image references, before images are fetched; a reference that breaks one is removed."""
    document: dict[str, Rule] = {}
    """Rules on documents, with the built-in signals and those of the section `signals`."""
    formats: list[Literal["jpeg", "png", "gif", "webp"]] = []
    """Formats of fetched images to keep; an empty list keeps all supported ones. The reason of a drop is `format`."""
    image: dict[str, Rule] = {
        "too_small": Rule(signal="shorter_side", min=64),
        "aspect_ratio": Rule(max=3),
        "single_colour": Rule(signal="colour_range", min=1),
    }
    """Rules on fetched images. The defaults are the paper's (arXiv 2204.14198, appendix A.3.1): at least 64 px, an
    aspect ratio of at most 3, more than one colour."""

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
    """Use the list of adult words that is part of this package."""


class Urls(Section):
    """Block lists. A blocked page is dropped after extraction, a blocked image before it is fetched."""

    pages: BlockedUrls = BlockedUrls()
    images: BlockedUrls = BlockedUrls()


Directive = Literal["noai", "noimageai", "noindex", "noimageindex"]


class Consent(Section):
    """Which refusals of owners count."""

    refuse: list[Directive] = ["noai", "noimageai", "noindex", "noimageindex"]
    """Directives that count, in X-Robots-Tag headers of images and in headers and meta tags of pages."""
    tdm: bool = True
    """Respect TDM reservations (TDMRep): headers, meta tags, and /.well-known/tdmrep.json of an image's host."""
    opt_out: list[NamedFile] = []
    """Files with one URL or domain per line. Their images and pages are left out of this and every later build."""


class Pii(Section):
    """Personal data to mask in texts, titles, alternative texts and captions; see `m3w.pipeline.filters.pii`."""

    emails: bool = False
    ip_addresses: bool = False
