"""One site's good pages, its front page and what they need: style sheet, logo, tracking pixel."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from m3w.pipeline.demo_crawl.articles import KINDS, paragraph
from m3w.pipeline.demo_crawl.contents import VALIDATION_HOSTS, SamplePage, SampleWeb
from m3w.pipeline.demo_crawl.exchange import Exchange
from m3w.pipeline.demo_crawl.frame import SECTIONS, Content, Link, html, stylesheet
from m3w.pipeline.demo_crawl.odd_images import logo, odd_image, tracking_pixel
from m3w.pipeline.demo_crawl.prose import MONTHS, Writer
from m3w.pipeline.demo_crawl.showing import ADDRESSES, LOADINGS, Manner, Shown, base_of, show
from m3w.pipeline.demo_crawl.sites import SITES, Site

FEWEST_PICTURES, MOST_PICTURES = 4, 7

BEFORE_EVERY = 8
"""Of so many pages, one names its pictures before it shows them."""

TRACKED_EVERY = 6
"""Of so many pages of a site, one ends with a tracking pixel."""

TRANSFERS = ("", "gzip", "", "chunked")


def crawl_site(web: SampleWeb, site: Site, count: int, odd_kind: str, seed: int) -> Iterator[Exchange]:
    """What the crawler gets from one site; `odd_kind` names the bad image on its first page, if there is one."""
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
    web: SampleWeb, site: Site, number: int, odd_kind: str, links: list[Link], random: Random
) -> list[Exchange]:
    """One page and its images; the page links to the three before it and is added to `links`."""
    manner = _manner(site, number)
    shown = tuple(show(site, manner, random) for _ in range(random.randint(FEWEST_PICTURES, MOST_PICTURES)))
    writer = Writer(site, random)
    article = KINDS[site.kind](writer, [each.illustration for each in shown])
    files = [file for each in shown for file in each.files]
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
        title=f"{writer.topic[0].upper()}{writer.topic[1:]}, {writer.place}",
        article=article,
        byline=f"By {writer.person}, {random.randint(1, 28)} {random.choice(MONTHS)} {random.randint(2019, 2025)}",
        summary=writer.summary(),
        base=base_of(site, manner),
    )
    exchange = html(site, content, links[-3:], transfer=TRANSFERS[number % len(TRANSFERS)])
    links.append(Link(path=content.path, title=content.title, thumbnail=shown[0].url))
    web.pages.append(SamplePage(url=exchange.url, title=content.title, host=site.host, shown=shown))
    _count(web, manner, shown, validation=site.host in VALIDATION_HOSTS)
    return [exchange, *files]


def _manner(site: Site, number: int) -> Manner:
    """Sites begin at different places of the cycles, so that even few pages show every way."""
    turn = SITES.index(site) + number
    return Manner(
        address=ADDRESSES[turn // 2 % len(ADDRESSES)],
        loading=LOADINGS[turn % len(LOADINGS)],
        # A row of a catalogue's table has the words beside the picture, never before it.
        before=turn % BEFORE_EVERY == BEFORE_EVERY - 1 and site.kind != "catalogue",
    )


def _count(web: SampleWeb, manner: Manner, shown: tuple[Shown, ...], *, validation: bool) -> None:
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
