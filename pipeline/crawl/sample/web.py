"""The sample web: every page and picture that the sample crawl holds, and what is planted in it.

`sample_web(seed, pages)` is a pure function. A page depends on the seed, its site and its number
there, and on nothing else, so a larger web begins with the pages of a smaller one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from pipeline.crawl.sample.articles import KINDS, paragraph
from pipeline.crawl.sample.exchange import Exchange
from pipeline.crawl.sample.foreign import FOREIGN
from pipeline.crawl.sample.frame import SECTIONS, Content, Link, page, stylesheet
from pipeline.crawl.sample.odd import (
    ODD_IMAGES,
    PLAIN_PAGES,
    TRACKED_EVERY,
    html,
    logo,
    odd_image,
    redirect,
    text_pages,
    tracking_pixel,
)
from pipeline.crawl.sample.prose import MONTHS, Writer
from pipeline.crawl.sample.showing import ADDRESSES, LOADINGS, Manner, Shown, base_of, show
from pipeline.crawl.sample.sites import SITES, Site

VALIDATION_HOSTS = ("atlas.example", "doorplates.example")
"""See `sites`: the split by host puts these, and no others, into validation at a fraction of 0.05."""

TEXT_PAGES = 4
REDIRECTS = 2

BEFORE_EVERY = 8
"""Of so many pages, one names its pictures before it shows them."""

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePage:
    """A good page: English, with pictures that its captions describe."""

    url: str
    title: str
    host: str
    shown: tuple[Shown, ...]


@dataclass(slots=True)
class SampleWeb:
    """All exchanges of the sample crawl in the order of the crawl, by site, and the key to them."""

    sites: list[list[Exchange]] = field(default_factory=list)
    pages: list[SamplePage] = field(default_factory=list)
    planted: Counter[str] = field(default_factory=Counter)
    """How many there are of each thing: see the README of this package's `planted` names in `__init__`."""
    last: Exchange | None = None
    """The page whose record the archive breaks off in; it is not in `pages`."""


def sample_web(seed: int = 0, pages: int = 264) -> SampleWeb:
    """The web of so many good pages, dealt to the sites in turn, and of everything planted beside them."""
    if pages < len(SITES):
        raise ValueError(f"{pages} pages leave some of the {len(SITES)} sites empty; ask for {len(SITES)} or more")
    web = SampleWeb()
    odd_kinds = iter([kind for kind, count in ODD_IMAGES for _ in range(count)])
    for number, site in enumerate(SITES):
        count = len(range(number, pages, len(SITES)))
        odd_kind = None if site.host in VALIDATION_HOSTS else next(odd_kinds, None)
        web.sites.append(list(_site(web, site, count, odd_kind, seed)))
    _plant(web, seed)
    return web


def _site(web: SampleWeb, site: Site, count: int, odd_kind: str | None, seed: int) -> Iterator[Exchange]:
    """What the crawler gets from one site: style sheet, logo, home page, pages with their pictures."""
    yield Exchange(url=f"https://{site.host}/style.css", body=stylesheet(site).encode(), content_type="text/css")
    yield logo(site)
    yield tracking_pixel(site)[1]
    web.planted.update(stylesheets=1, logos=1)
    links: list[Link] = []
    exchanges: list[Exchange] = []
    for number in range(count):
        kind = odd_kind if number == 0 else None
        exchanges += _good_page(web, site, number, kind, links, Random(f"{seed}/{site.host}/{number}"))
    yield _home(site, links)
    web.planted["home_pages"] += 1
    yield from exchanges


def _good_page(
    web: SampleWeb, site: Site, number: int, odd_kind: str | None, links: list[Link], random: Random
) -> Iterator[Exchange]:
    """One page and its pictures; appends the link to it."""
    manner = _manner(site, number)
    shown = tuple(show(site, manner, random) for _ in range(random.randint(4, 7)))
    writer = Writer(site, random)
    article = KINDS[site.kind](writer, [each.illustration for each in shown])
    files = [file for each in shown for file in each.files]
    if odd_kind:
        block, responses = odd_image(odd_kind, site, number)
        article = _insert(article, block)
        files += responses
        web.planted[f"{odd_kind}_images"] += 1
    if number % TRACKED_EVERY == TRACKED_EVERY - 1:
        article += tracking_pixel(site)[0]
        web.planted["tracking_pixels"] += 1
    content = Content(
        path=f"/{site.kind}/{number + 1}-{_slug(writer.topic)}.html",
        title=_title(writer),
        article=article,
        byline=f"By {writer.person}, {random.randint(1, 28)} {random.choice(MONTHS)} {random.randint(2019, 2025)}",
        summary=writer.summary(),
        base=base_of(site, manner),
    )
    body = page(site, content, links[-3:])
    url = f"https://{site.host}{content.path}"
    yield Exchange(url=url, body=body.encode(), content_type=HTML, transfer=("", "gzip", "", "chunked")[number % 4])
    yield from files
    links.append(Link(path=content.path, title=content.title, thumbnail=shown[0].url))
    web.pages.append(SamplePage(url=url, title=content.title, host=site.host, shown=shown))
    _count(web, manner, shown, site.host in VALIDATION_HOSTS)


def _manner(site: Site, number: int) -> Manner:
    """Sites begin at different places of the cycles, so that even few pages show every way."""
    turn = SITES.index(site) + number
    return Manner(
        address=ADDRESSES[(turn // 2) % len(ADDRESSES)],
        loading=LOADINGS[turn % len(LOADINGS)],
        # A table says what a picture is beside it, never before it.
        before=turn % BEFORE_EVERY == BEFORE_EVERY - 1 and site.kind != "catalogue",
    )


def _count(web: SampleWeb, manner: Manner, shown: tuple[Shown, ...], validation: bool) -> None:
    count = len(shown)
    web.planted.update(pages=1, pictures=count, picture_files=sum(len(each.files) for each in shown))
    web.planted[f"{manner.loading}_pictures"] += count
    web.planted[f"{manner.address}_address_pictures"] += count
    web.planted["captions_before"] += count * manner.before
    web.planted["validation_pages"] += validation
    web.planted["validation_pictures"] += count * validation


def _insert(article: str, block: str) -> str:
    """The article with the block after its first paragraph."""
    first, end, rest = article.partition("</p>\n")
    return f"{first}{end}{block}\n{rest}"


def _title(writer: Writer) -> str:
    topic = writer.topic[0].upper() + writer.topic[1:]
    return f"{topic}, {writer.place}"


def _slug(topic: str) -> str:
    return "-".join("".join(c for c in topic.lower() if c.isalnum() or c == " ").split())


def _home(site: Site, links: list[Link]) -> Exchange:
    """The front page: a welcome and a list of links, no picture in it."""
    items = "".join(f'<li><a href="{link.path}">{link.title}</a></li>' for link in links)
    welcome = paragraph(
        f"Welcome to {site.name}. On these pages we collect {site.nouns} and write down what we know about them: "
        f"where they were found, who made them and what people say. {site.facts[0]} {site.facts[1]}"
    )
    article = f"{welcome}\n<h2>{SECTIONS[site.kind]}</h2>\n<ul>{items}</ul>"
    return html(site, Content(path="/", title=site.tagline, article=article, summary=site.tagline))


def _plant(web: SampleWeb, seed: int) -> None:
    """Adds what is no good page to sites that are not for validation."""
    sites = [(site, web.sites[i]) for i, site in enumerate(SITES) if site.host not in VALIDATION_HOSTS]
    random = Random(f"{seed}/planted")
    site, exchanges = sites[0]
    exchanges += text_pages(site, TEXT_PAGES, random)
    for (site, exchanges), make in zip(sites[1:], PLAIN_PAGES, strict=False):
        exchanges.append(make(site))
        web.planted[make.__name__] += 1
    by_host = {each.host: each for each in reversed(web.pages)}
    for site, exchanges in sites[5 : 5 + REDIRECTS]:
        exchanges.append(redirect(site, by_host[site.host].url))
    site, exchanges = sites[7]
    twin = next(each for each in exchanges if each.url == by_host[site.host].url)
    exchanges.append(Exchange(url=f"{twin.url}?print=1", body=twin.body, content_type=HTML))
    for (site, exchanges), (language, number) in zip(
        sites[8:], [(language, i) for language, texts in FOREIGN.items() for i in range(len(texts))], strict=False
    ):
        exchanges += _foreign_page(site, language, number, random)
        web.planted[f"{language}_pages"] += 1
    web.planted.update(text_pages=TEXT_PAGES, redirects=REDIRECTS, duplicate_pages=1, truncated_records=1)
    site = sites[-1][0]
    web.last = text_pages(site, 1, random)[0]


def _foreign_page(site: Site, language: str, number: int, random: Random) -> list[Exchange]:
    title, before, after = FOREIGN[language][number]
    shown = show(site, Manner(address="root", loading="plain", before=False), random)
    article = "\n".join([paragraph(before), f"<p>{shown.illustration.html}</p>", paragraph(after)])
    path = f"/{language}/{number + 1}.html"
    return [html(site, Content(path=path, title=title, article=article, language=language)), *shown.files]
