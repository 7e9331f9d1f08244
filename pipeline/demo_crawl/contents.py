"""What the sample crawl holds: the pages to read and the key to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from m3w.pipeline.demo_crawl.exchange import Exchange
from m3w.pipeline.demo_crawl.showing import Shown

VALIDATION_HOSTS = ("atlas.example", "doorplates.example")
"""The split by host puts these, and no others, into validation at a fraction of 0.05; see `sites`."""

PLANTED = {
    "pages": "good pages: English, 4 to 7 drawn pictures each, every one described beside it",
    "validation_pages": "of these, on validation hosts",
    "pictures": "drawn pictures on good pages, all different",
    "validation_pictures": "of these, on validation hosts",
    "picture_files": "image responses of these pictures: one each, or two where the page offers two sizes",
    "captions_before": "pictures whose description stands before them, not after",
    "plain_pictures": "pictures in a plain `src`",
    "lazy_pictures": "pictures in `data-src`, with a placeholder in `src`",
    "noscript_pictures": "the same, with a twin in `noscript`",
    "srcset_pictures": "pictures in `srcset`, in two sizes, of which `src` has the smaller",
    "picture_pictures": "pictures in a `picture` element: the smaller size in `img`, the larger in `source`",
    "root_address_pictures": "pictures addressed from the root of the host",
    "relative_address_pictures": "pictures addressed by `../`",
    "base_address_pictures": "pictures addressed relative to a `base` element",
    "absolute_address_pictures": "pictures on another host than their page",
    "missing_images": "image references on good pages that were answered with 404",
    "absent_images": "image references on good pages for which there is no record",
    "not_an_image_images": "image references on good pages whose PNG is a line of text",
    "cut_short_images": "image references on good pages whose PNG ends half way",
    "banner_images": "image references on good pages to a banner of 480 x 120 pixels",
    "single_colour_images": "image references on good pages to an image of one colour",
    "icon_images": "image references on good pages to an image of 32 x 32 pixels",
    "tracking_pixels": "image references on good pages to a GIF of 1 x 1 pixel; one address on each site",
    "home_pages": "English front pages: a welcome and links, no picture but the logo in the header",
    "text_pages": "English pages without a picture",
    "foreign_pages": "pages in German, French and Spanish, with one picture each",
    "duplicate_pages": "good pages that come a second time, as `?print=1`; not in `pages`",
    "html_pages": "all HTML responses with status 200; the truncated one is not counted",
    "not_found": "HTML responses with status 404, next to those for missing images",
    "server_error": "HTML responses with status 500",
    "redirects": "responses with status 301",
    "json_page": "JSON responses",
    "plain_text": "text responses",
    "stylesheets": "CSS responses",
    "responses": "all response records that are whole; there are as many request records",
    "truncated_records": "response records, at the end of the last file, that break off",
}
"""What is counted in `SampleWeb.planted`, and what the count means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePage:
    """A good page: English, with pictures that its captions describe."""

    url: str
    title: str
    host: str
    shown: tuple[Shown, ...]
    """Its pictures in page order."""


@dataclass(slots=True)
class SampleWeb:
    """All exchanges of the sample crawl, and the key to them."""

    sites: list[list[Exchange]] = field(default_factory=list)
    """In the order of the crawl, by site."""
    pages: list[SamplePage] = field(default_factory=list)
    planted: Counter[str] = field(default_factory=Counter)
    """How many there are of each thing in `PLANTED`."""
    last: Exchange | None = None
    """The page in whose record the archive breaks off; it is in none of the above."""
