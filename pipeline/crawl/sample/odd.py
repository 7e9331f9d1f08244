"""Everything in the sample crawl that is not a good page with good pictures: what a funnel drops.

Each kind stands at a number of places that is written down here, so that tests can hold the counters
of a run against it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from random import Random

from PIL import Image

from pipeline.crawl.sample.articles import paragraph
from pipeline.crawl.sample.drawings import encode
from pipeline.crawl.sample.exchange import Exchange
from pipeline.crawl.sample.frame import Content, page
from pipeline.crawl.sample.prose import Writer
from pipeline.crawl.sample.sites import Site

ODD_IMAGES = (
    ("missing", 2),
    ("absent", 1),
    ("not_an_image", 1),
    ("cut_short", 1),
    ("banner", 3),
    ("single_colour", 3),
    ("icon", 4),
)
"""Kinds of bad image in good pages, and how many of each: one a page, on the first pages that are for training."""

TRACKED_EVERY = 6
"""Every so many pages of a site end with a tracking pixel."""


def odd_image(kind: str, site: Site, number: int) -> tuple[str, list[Exchange]]:
    """A block of HTML with one bad image in it, and the image's response (none for `absent`)."""
    url, content = f"https://{site.host}/media/{number:04d}.png", ""
    image = f'<img src="{url}" alt="">'
    block = f'<div class="note">{image}</div>'
    match kind:
        case "missing":
            body = b"<html><body><h1>Not found</h1></body></html>"
            return block, [Exchange(url=url, body=body, content_type="text/html", status="404 Not Found")]
        case "absent":
            return block, []
        case "not_an_image":
            content = "The picture server is being repaired. Please come back on Thursday."
            return block, [Exchange(url=url, body=content.encode(), content_type="image/png")]
        case "icon":
            block = f'<p><img src="{url}" alt="Tip:"> A tip from our readers: print this page before you go.</p>'
            return block, [_png(url, _disc(32))]
        case "banner":
            block = f'<div class="banner"><a href="/fair.html"><img src="{url}" alt="Visit our fair"></a></div>'
            return block, [_png(url, _stripes(480, 120))]
        case "single_colour":
            return block, [_png(url, Image.new("RGB", (120, 90), (226, 226, 220)))]
        case "cut_short":
            whole = _png(url, _stripes(160, 120))
            return block, [Exchange(url=url, body=whole.body[: len(whole.body) // 2], content_type="image/png")]
    raise AssertionError(kind)


def tracking_pixel(site: Site) -> tuple[str, Exchange]:
    """A 1 x 1 GIF that counts readers; its address is the same on all pages of a site."""
    file = io.BytesIO()
    Image.new("P", (1, 1)).save(file, "GIF")
    url = f"https://{site.host}/count.gif"
    element = f'<img src="{url}" width="1" height="1" alt="">'
    return element, Exchange(url=url, body=file.getvalue(), content_type="image/gif")


def logo(site: Site) -> Exchange:
    """48 x 48 pixels: every page has it in its header."""
    image = Image.new("RGB", (48, 48), site.accent)
    image.paste("white", (12, 12, 36, 36), _disc(24).convert("L").point(lambda value: 255 - value))
    return _png(f"https://{site.host}/logo.png", image)


def text_pages(site: Site, count: int, random: Random) -> list[Exchange]:
    """English pages without a picture."""
    pages = []
    for number in range(1, count + 1):
        writer = Writer(site, random)
        blocks = [paragraph(writer.opening()), *(paragraph(f"{writer.remark()} {writer.fact()}") for _ in range(5))]
        content = Content(
            path=f"/letters/letter-{number}.html",
            title=f"A letter from {writer.place}",
            article="\n".join([*blocks, paragraph(writer.closing())]),
            byline=f"By {writer.person}",
        )
        pages.append(html(site, content))
    return pages


def html(site: Site, content: Content) -> Exchange:
    body = page(site, content, []).encode()
    return Exchange(url=f"https://{site.host}{content.path}", body=body, content_type="text/html; charset=utf-8")


def redirect(site: Site, target: str) -> Exchange:
    return Exchange(
        url=f"https://{site.host}/old.html",
        body=b"",
        content_type="text/html",
        status="301 Moved Permanently",
        headers=(("Location", target),),
    )


def not_found(site: Site) -> Exchange:
    body = b"<html><title>Not found</title><body><h1>Not found</h1><p>There is no such page here.</p></body></html>"
    return Exchange(url=f"https://{site.host}/lost.html", body=body, content_type="text/html", status="404 Not Found")


def server_error(site: Site) -> Exchange:
    body = b"<html><title>Error</title><body><h1>Something went wrong</h1><p>Please try again.</p></body></html>"
    return Exchange(
        url=f"https://{site.host}/search", body=body, content_type="text/html", status="500 Internal Server Error"
    )


def json_page(site: Site) -> Exchange:
    body = json.dumps({"site": site.name, "open": ["Tuesday", "Friday"]}).encode()
    return Exchange(url=f"https://{site.host}/hours.json", body=body, content_type="application/json")


def plain_text(site: Site) -> Exchange:
    body = b"User-agent: *\nAllow: /\nDisallow: /search\n"
    return Exchange(url=f"https://{site.host}/robots.txt", body=body, content_type="text/plain")


PLAIN_PAGES: tuple[Callable[[Site], Exchange], ...] = (not_found, server_error, json_page, plain_text)
"""Responses that are no documents; one of each."""


def _png(url: str, image: Image.Image) -> Exchange:
    return Exchange(url=url, body=encode(image, "image/png").content, content_type="image/png")


def _disc(side: int) -> Image.Image:
    return Image.radial_gradient("L").resize((side, side)).convert("RGB")


def _stripes(width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), (120, 60, 40))
    for x in range(0, width, 24):
        image.paste((236, 226, 200), (x, 0, x + 12, height))
    return image
