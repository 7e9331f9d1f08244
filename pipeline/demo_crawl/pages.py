"""The pages of the demo web and everything planted in it.

`crawl_site` makes a site: its good pages, its front page, style sheet, logo and tracking pixel. `plant` then adds what
is not a good page: pages of text alone or in other languages, a duplicate, redirects, errors, other content types.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from m3w.pipeline.demo_crawl.articles import KINDS, paragraph
from m3w.pipeline.demo_crawl.frame import SECTIONS, Content, Link, html, stylesheet
from m3w.pipeline.demo_crawl.pack import Exchange
from m3w.pipeline.demo_crawl.pictures import (
    ADDRESSES,
    LOADINGS,
    PagePicture,
    PictureStyle,
    base_of,
    logo,
    odd_image,
    page_picture,
    tracking_pixel,
)
from m3w.pipeline.demo_crawl.prose import FOREIGN, MONTHS, Writer
from m3w.pipeline.demo_crawl.sites import SITES, VALIDATION_HOSTS, Site

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
"""The counters in `DemoWeb.planted` and what they mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPage:
    """A good page: in English, with pictures described by their captions."""

    url: str
    title: str
    host: str
    pictures: tuple[PagePicture, ...]
    """Its pictures in page order."""


@dataclass(slots=True)
class DemoWeb:
    """All exchanges of the demo crawl, and counts of what is in them."""

    sites: list[list[Exchange]] = field(default_factory=list)
    """The exchanges of each site, in the order of the crawl."""
    pages: list[DemoPage] = field(default_factory=list)
    planted: Counter[str] = field(default_factory=Counter)
    """Counts by the names in `PLANTED`."""
    last: Exchange | None = None
    """The page whose record is truncated at the end of the archive; not counted in the fields above."""


FEWEST_PICTURES, MOST_PICTURES = 4, 7

BEFORE_EVERY = 8
"""One page in this many puts its captions before its pictures."""

TRACKED_EVERY = 6
"""One page in this many of a site ends with a tracking pixel."""

TRANSFERS = ("", "gzip", "", "chunked")


def crawl_site(web: DemoWeb, site: Site, count: int, odd_kind: str, seed: int) -> Iterator[Exchange]:
    """The exchanges of one site. `odd_kind` names the bad image on its first page; empty for none."""
    yield Exchange(url=f"https://{site.host}/style.css", body=stylesheet(site).encode(), content_type="text/css")
    yield logo(site)
    yield tracking_pixel(site)[1]
    links: list[Link] = []
    exchanges: list[Exchange] = []
    for number in range(count):
        kind = odd_kind if number == 0 else ""
        exchanges += _good_page(web, site, number, kind, links, Random(f"{seed}/{site.host}/{number}"))
    yield _home(site, links)
    web.planted.update(stylesheets=1, home_pages=1)
    yield from exchanges


def _good_page(
    web: DemoWeb, site: Site, number: int, odd_kind: str, links: list[Link], random: Random
) -> list[Exchange]:
    """One page and its images. The page links to the three pages before it and is added to `links`."""
    style = _style(site, number)
    pictures = tuple(page_picture(site, style, random) for _ in range(random.randint(FEWEST_PICTURES, MOST_PICTURES)))
    writer = Writer(site, random)
    article = KINDS[site.kind](writer, [picture.illustration for picture in pictures])
    files = [file for picture in pictures for file in picture.files]
    if odd_kind:
        block, responses = odd_image(odd_kind, site)
        article = _insert(article, block)
        files += responses
        web.planted[f"{odd_kind}_images"] += 1
    if number % TRACKED_EVERY == TRACKED_EVERY - 1:
        article += tracking_pixel(site)[0]
        web.planted["tracking_pixels"] += 1
    content = Content(
        path=f"/{site.kind}/{number + 1}-{_slug(writer.topic)}.html",
        title=f"{writer.topic[0].upper()}{writer.topic[1:]}, {writer.town}",
        article=article,
        byline=f"By {writer.person}, {random.randint(1, 28)} {random.choice(MONTHS)} {random.randint(2019, 2025)}",
        summary=writer.summary(),
        base=base_of(site, style),
    )
    exchange = html(site, content, links[-3:], transfer=TRANSFERS[number % len(TRANSFERS)])
    links.append(Link(path=content.path, title=content.title, thumbnail=pictures[0].url))
    web.pages.append(DemoPage(url=exchange.url, title=content.title, host=site.host, pictures=pictures))
    _count(web, style, pictures, validation=site.host in VALIDATION_HOSTS)
    return [exchange, *files]


def _style(site: Site, number: int) -> PictureStyle:
    """Sites start at different points of the cycles, so that a few pages cover every style."""
    turn = SITES.index(site) + number
    return PictureStyle(
        address=ADDRESSES[turn // 2 % len(ADDRESSES)],
        loading=LOADINGS[turn % len(LOADINGS)],
        # In a catalogue's table the caption is in the next cell, never before the picture.
        before=turn % BEFORE_EVERY == BEFORE_EVERY - 1 and site.kind != "catalogue",
    )


def _count(web: DemoWeb, style: PictureStyle, pictures: tuple[PagePicture, ...], *, validation: bool) -> None:
    count = len(pictures)
    web.planted.update(pages=1, pictures=count, picture_files=sum(len(picture.files) for picture in pictures))
    web.planted[f"{style.loading}_pictures"] += count
    web.planted[f"{style.address}_address_pictures"] += count
    web.planted["captions_before"] += count * style.before
    web.planted["validation_pages"] += validation
    web.planted["validation_pictures"] += count * validation


def _insert(article: str, block: str) -> str:
    """The article with the block after its first paragraph."""
    first, end, rest = article.partition("</p>\n")
    return f"{first}{end}{block}\n{rest}"


def _slug(topic: str) -> str:
    return "-".join("".join(c for c in topic.lower() if c.isalnum() or c == " ").split())


def _home(site: Site, links: list[Link]) -> Exchange:
    items = "".join(f'<li><a href="{link.path}">{link.title}</a></li>' for link in links)
    welcome = paragraph(
        f"Welcome to {site.name}. On these pages we collect {site.nouns} and write down what we know about them: "
        f"where they were found, who made them and what people say. {site.facts[0]} {site.facts[1]}"
    )
    article = f"{welcome}\n<h2>{SECTIONS[site.kind]}</h2>\n<ul>{items}</ul>"
    return html(site, Content(path="/", title=site.tagline, article=article, summary=site.tagline))


TEXT_PAGES = 4

REDIRECTS = 2


def plant(web: DemoWeb, seed: int) -> None:
    """Add the exchanges that are not good pages, to training sites only, so that validation stays clean."""
    training = [(site, web.sites[i]) for i, site in enumerate(SITES) if site.host not in VALIDATION_HOSTS]
    random = Random(f"{seed}/planted")
    for number, (site, exchanges) in enumerate(training[:TEXT_PAGES]):
        exchanges.append(_text_page(site, number, random))
    for (site, exchanges), name in zip(
        training[4:], ("not_found", "server_error", "json_page", "plain_text"), strict=False
    ):
        exchanges.append(_no_document(name, site))
        web.planted[name] = 1
    for site, exchanges in training[8 : 8 + REDIRECTS]:
        exchanges.append(_redirect(site, _first_page(web, site)))
    texts = [(language, number) for language, pages in FOREIGN.items() for number in range(len(pages))]
    for (site, exchanges), (language, number) in zip(training[10:], texts, strict=False):
        exchanges += _foreign_page(site, language, number, random)
    site, exchanges = training[20]
    twin = next(exchange for exchange in exchanges if exchange.url == _first_page(web, site))
    exchanges.append(replace(twin, url=f"{twin.url}?print=1"))
    web.last = _text_page(training[21][0], TEXT_PAGES, random)
    web.planted.update(text_pages=TEXT_PAGES, redirects=REDIRECTS, foreign_pages=len(texts))
    web.planted.update(duplicate_pages=1, truncated_records=1)


def _first_page(web: DemoWeb, site: Site) -> str:
    return next(page.url for page in web.pages if page.host == site.host)


def _text_page(site: Site, number: int, random: Random) -> Exchange:
    writer = Writer(site, random)
    blocks = [writer.opening(), *(writer.between() for _ in range(5)), writer.closing()]
    content = Content(
        path=f"/letters/letter-{number + 1}.html",
        title=f"A letter from {writer.town}",
        article="\n".join(paragraph(block) for block in blocks),
        byline=f"By {writer.person}",
    )
    return html(site, content)


def _foreign_page(site: Site, language: str, number: int, random: Random) -> list[Exchange]:
    title, before, after = FOREIGN[language][number]
    picture = page_picture(site, PictureStyle(address="root", loading="plain", before=False), random)
    article = "\n".join([paragraph(before), f"<p>{picture.illustration.html}</p>", paragraph(after)])
    path = f"/{language}/{number + 1}.html"
    return [html(site, Content(path=path, title=title, article=article, language=language)), *picture.files]


def _redirect(site: Site, target: str) -> Exchange:
    return Exchange(
        url=f"https://{site.host}/old.html",
        body=b"",
        content_type="text/html",
        status="301 Moved Permanently",
        headers=(("Location", target),),
    )


def _no_document(name: str, site: Site) -> Exchange:
    start = f"https://{site.host}"
    match name:
        case "not_found":
            body = b"<html><title>Not found</title><body><h1>Not found</h1><p>No such page here.</p></body></html>"
            return Exchange(url=f"{start}/lost.html", body=body, content_type="text/html", status="404 Not Found")
        case "server_error":
            body = b"<html><title>Error</title><body><h1>Something broke</h1><p>Please try again.</p></body></html>"
            status = "500 Internal Server Error"
            return Exchange(url=f"{start}/search?q=tea", body=body, content_type="text/html", status=status)
        case "json_page":
            body = json.dumps({"site": site.name, "open": ["Tuesday", "Friday"]}).encode()
            return Exchange(url=f"{start}/hours.json", body=body, content_type="application/json")
        case "plain_text":
            body = b"User-agent: *\nAllow: /\nDisallow: /search\n"
            return Exchange(url=f"{start}/robots.txt", body=body, content_type="text/plain")
    raise AssertionError(name)
