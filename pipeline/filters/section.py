"""What a recipe says on what is kept."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.filters.rules import DOCUMENT_RULE_SIGNALS, Rule, check_rules
from m3w.pipeline.filters.signals.definitions import REFERENCE, TEXT
from m3w.recipes.section import Section


class Rules(Section):
    """What is kept: ranges on signals; the rule's name is the reason of a drop."""

    languages: list[Language] = ["en"]
    """An empty list keeps every language."""
    text: dict[str, Rule] = {}
    """Of text nodes; what breaks one is taken out of its document."""
    image_reference: dict[str, Rule] = {}
    """Of image references, before anything is fetched; likewise."""
    document: dict[str, Rule] = {}
    formats: list[Literal["jpeg", "png", "gif", "webp"]] = []
    """Of images, as fetched; an empty list keeps every format that is taken. The reason of a drop is `format`."""
    image: dict[str, Rule] = {
        "too_small": Rule(signal="shorter_side", min=64),
        "aspect_ratio": Rule(max=3),
        "single_colour": Rule(signal="colour_range", min=1),
    }
    """The paper's (arXiv 2204.14198, appendix A.3.1): 64 px, ratio 3, not one colour."""

    @model_validator(mode="after")
    def _known_signals(self) -> Self:
        check_rules(self.text, [signal.name for signal in TEXT], "rules.text")
        check_rules(self.image_reference, [signal.name for signal in REFERENCE], "rules.image_reference")
        asked = [name for name, rule in self.image.items() if rule.languages]
        if asked:
            raise ValueError(f"rules.image.{asked[0]} names languages, but an image has none; leave them out")
        check_rules(self.document, DOCUMENT_RULE_SIGNALS, "rules.document")
        return self


class BlockedUrls(Section):
    """Which URLs are blocked; `m3w.pipeline.filters.blocklist` says what matches."""

    domain_files: list[NamedFile] = []
    """Files with a domain a line; each stands for all names below it, too."""
    word_files: list[NamedFile] = []
    """Files with a word a line."""
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
    """Whose no is taken for a no."""

    refuse: list[Directive] = ["noai", "noimageai", "noindex", "noimageindex"]
    """In X-Robots-Tag headers of images, and in headers and meta tags of pages."""
    tdm: bool = True
    """TDM reservations (TDMRep): headers, meta tags, and the file /.well-known/tdmrep.json of an image's host."""
    opt_out: list[NamedFile] = []
    """Files with a URL or a domain a line: their images and pages are left out, now and at every later build."""


class Pii(Section):
    """What is masked in the texts, titles, alternative texts and captions of kept documents; see
    `m3w.pipeline.filters.pii`."""

    emails: bool = False
    ip_addresses: bool = False
