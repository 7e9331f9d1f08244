"""The demo crawl: a small web, written and drawn for this project, as WARC files.

    from m3w.pipeline.demo_crawl import write_demo_crawl
    paths = write_demo_crawl(Path("crawl"), seed=0, pages=264)

24 sites in eight layouts write about kites, stamps and biscuits. Each picture shows one or two things on a ground, and
the sentence beside it says which. The things are chosen at random, so a caption can only be known from its picture.
Around the articles is what the web has: navigation, broken images, pages in other languages, errors.
`demo_web(...).planted` counts it all; `PLANTED` explains the counts.
"""

from __future__ import annotations

from pathlib import Path

from m3w.pipeline.demo_crawl.pack import Exchange, pack
from m3w.pipeline.demo_crawl.pages import PLANTED, DemoPage, DemoWeb, crawl_site, plant
from m3w.pipeline.demo_crawl.pictures import ODD_IMAGES
from m3w.pipeline.demo_crawl.sites import SITES, VALIDATION_HOSTS

__all__ = ["PAGES", "PLANTED", "VALIDATION_HOSTS", "DemoPage", "DemoWeb", "demo_web", "write_demo_crawl"]

PAGES = 264
"""Good pages of the full demo crawl: eleven per site, with about 1,450 pictures."""

FILES = 4

STRAY_EVERY = 25
"""One picture in this many is in another file than its page, as in any large crawl."""


def write_demo_crawl(folder: Path, *, seed: int = 0, pages: int = PAGES) -> list[Path]:
    """Write the demo crawl to the folder and return its files.

    The same seed and number of pages give the same bytes. The last file is truncated in the middle of a page.
    """
    web = demo_web(seed, pages)
    return pack(_distributed(web), folder, seed=f"{seed}/{pages}", last=web.last)


def demo_web(seed: int = 0, pages: int = PAGES) -> DemoWeb:
    """The web with `pages` good pages, distributed round robin over the sites, and everything planted beside them.

    A good page depends only on the seed, its site and its number there, so a larger web has all good pages of a smaller
    one.
    """
    if pages < len(SITES):
        raise ValueError(f"{pages} pages leave some of the {len(SITES)} sites empty; ask for {len(SITES)} or more")
    web = DemoWeb()
    odd_kinds = iter([kind for kind, count in ODD_IMAGES.items() for _ in range(count)])
    for number, site in enumerate(SITES):
        count = len(range(number, pages, len(SITES)))
        odd_kind = "" if site.host in VALIDATION_HOSTS else next(odd_kinds, "")
        web.sites.append(list(crawl_site(web, site, count, odd_kind, seed)))
    plant(web, seed)
    exchanges = [exchange for site in web.sites for exchange in site]
    html_pages = [each for each in exchanges if each.content_type.startswith("text/html") and each.status == "200 OK"]
    web.planted.update(responses=len(exchanges), html_pages=len(html_pages))
    return web


def _distributed(web: DemoWeb) -> list[list[Exchange]]:
    """The exchanges of each file: sites round robin, each whole except for stray pictures."""
    files: list[list[Exchange]] = [[] for _ in range(FILES)]
    pictures = 0
    for number, site in enumerate(web.sites):
        for exchange in site:
            pictures += "/pictures" in exchange.url
            stray = "/pictures" in exchange.url and pictures % STRAY_EVERY == 0
            files[(number + stray) % FILES].append(exchange)
    return files
