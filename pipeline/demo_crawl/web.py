"""The sample web as a pure function of a seed and a number of pages.

A good page depends on the seed, its site and its number there, and on nothing else, so a larger web
has all the good pages of a smaller one.
"""

from __future__ import annotations

from m3w.pipeline.demo_crawl.contents import VALIDATION_HOSTS, SampleWeb
from m3w.pipeline.demo_crawl.odd_images import ODD_IMAGES
from m3w.pipeline.demo_crawl.pages import crawl_site
from m3w.pipeline.demo_crawl.planting import plant
from m3w.pipeline.demo_crawl.sites import SITES

PAGES = 264
"""Good pages of the full sample crawl: eleven a site, with about 1,450 pictures."""


def sample_web(seed: int = 0, pages: int = PAGES) -> SampleWeb:
    """The web of so many good pages, dealt to the sites in turn, and of everything planted beside them."""
    if pages < len(SITES):
        raise ValueError(f"{pages} pages leave some of the {len(SITES)} sites empty; ask for {len(SITES)} or more")
    web = SampleWeb()
    odd_kinds = iter([kind for kind, count in ODD_IMAGES.items() for _ in range(count)])
    for number, site in enumerate(SITES):
        count = len(range(number, pages, len(SITES)))
        odd_kind = "" if site.host in VALIDATION_HOSTS else next(odd_kinds, "")
        web.sites.append(list(crawl_site(web, site, count, odd_kind, seed)))
    plant(web, seed)
    exchanges = [exchange for site in web.sites for exchange in site]
    pages_read = [each for each in exchanges if each.content_type.startswith("text/html") and each.status == "200 OK"]
    web.planted.update(responses=len(exchanges), html_pages=len(pages_read))
    return web
