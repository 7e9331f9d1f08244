"""The sample crawl: a small web, written and drawn for this project, as WARC files.

    from m3w.pipeline.demo_crawl import write_sample_crawl
    paths = write_sample_crawl(Path("crawl"), seed=0, pages=264)

24 sites in eight layouts tell of kites, stamps and biscuits; each picture shows one or two things on
a ground, and the sentence beside it says which. The things are drawn at random, so only who looks at
a picture can know its caption. Around them stands what a web has: navigation, broken images, pages
in other languages, an error or two. `sample_web(...).planted` says how often, `PLANTED` what is meant.
"""

from __future__ import annotations

from pathlib import Path

from m3w.pipeline.demo_crawl.contents import PLANTED, VALIDATION_HOSTS, SamplePage, SampleWeb
from m3w.pipeline.demo_crawl.exchange import Exchange
from m3w.pipeline.demo_crawl.pack import pack
from m3w.pipeline.demo_crawl.web import PAGES, sample_web

__all__ = ["PAGES", "PLANTED", "VALIDATION_HOSTS", "SamplePage", "SampleWeb", "sample_web", "write_sample_crawl"]

FILES = 4

STRAY_EVERY = 25
"""Of so many pictures, one lies in another file than its page, as in any large crawl."""


def write_sample_crawl(folder: Path, *, seed: int = 0, pages: int = PAGES) -> list[Path]:
    """Writes the sample crawl into the folder and returns its files.

    The same seed and number of pages give the same bytes. The last file breaks off in the middle of a page.
    """
    web = sample_web(seed, pages)
    return pack(_dealt(web), folder, seed=f"{seed}/{pages}", last=web.last)


def _dealt(web: SampleWeb) -> list[list[Exchange]]:
    """Sites to files in turn, each site whole except for stray pictures."""
    files: list[list[Exchange]] = [[] for _ in range(FILES)]
    pictures = 0
    for number, site in enumerate(web.sites):
        for exchange in site:
            pictures += "/pictures" in exchange.url
            stray = "/pictures" in exchange.url and pictures % STRAY_EVERY == 0
            files[(number + stray) % FILES].append(exchange)
    return files
