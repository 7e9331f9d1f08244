"""What is no good page: text alone, other languages, a page that comes twice, redirects, errors, other types."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from m3w.pipeline.demo_crawl.articles import paragraph
from m3w.pipeline.demo_crawl.contents import VALIDATION_HOSTS, SampleWeb
from m3w.pipeline.demo_crawl.exchange import Exchange
from m3w.pipeline.demo_crawl.foreign import FOREIGN
from m3w.pipeline.demo_crawl.frame import Content, html
from m3w.pipeline.demo_crawl.prose import Writer
from m3w.pipeline.demo_crawl.showing import Manner, show
from m3w.pipeline.demo_crawl.sites import SITES, Site

TEXT_PAGES = 4

REDIRECTS = 2


def plant(web: SampleWeb, seed: int) -> None:
    """Adds it all to sites that are for training, so that validation stays clean."""
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


def _first_page(web: SampleWeb, site: Site) -> str:
    return next(page.url for page in web.pages if page.host == site.host)


def _text_page(site: Site, number: int, random: Random) -> Exchange:
    writer = Writer(site, random)
    blocks = [writer.opening(), *(writer.between() for _ in range(5)), writer.closing()]
    content = Content(
        path=f"/letters/letter-{number + 1}.html",
        title=f"A letter from {writer.place}",
        article="\n".join(paragraph(block) for block in blocks),
        byline=f"By {writer.person}",
    )
    return html(site, content)


def _foreign_page(site: Site, language: str, number: int, random: Random) -> list[Exchange]:
    title, before, after = FOREIGN[language][number]
    shown = show(site, Manner(address="root", loading="plain", before=False), random)
    article = "\n".join([paragraph(before), f"<p>{shown.illustration.html}</p>", paragraph(after)])
    path = f"/{language}/{number + 1}.html"
    return [html(site, Content(path=path, title=title, article=article, language=language)), *shown.files]


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
