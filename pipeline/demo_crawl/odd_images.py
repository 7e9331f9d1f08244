"""Images that a dataset should not have, on good pages: missing, broken, too small, too wide, of one colour."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from m3w.pipeline.demo_crawl.drawings import encode
from m3w.pipeline.demo_crawl.exchange import Exchange
from m3w.pipeline.demo_crawl.sites import Site

ODD_IMAGES = {
    "missing": 2,
    "absent": 1,
    "not_an_image": 1,
    "cut_short": 1,
    "banner": 3,
    "single_colour": 3,
    "icon": 4,
}
"""Kinds of bad image and how many there are: one on the first page of a site that is for training."""


def odd_image(kind: str, site: Site) -> tuple[str, list[Exchange]]:
    """A block of HTML with one bad image in it, and the image's response (none for `absent`)."""
    url = f"https://{site.host}/media/extra.png"
    block = f'<div class="note"><img src="{url}" alt=""></div>'
    match kind:
        case "missing":
            body = b"<html><body><h1>Not found</h1></body></html>"
            return block, [Exchange(url=url, body=body, content_type="text/html", status="404 Not Found")]
        case "absent":
            return block, []
        case "not_an_image":
            body = b"The picture server is being repaired. Please come back on Thursday."
            return block, [Exchange(url=url, body=body, content_type="image/png")]
        case "cut_short":
            whole = _png(url, _stripes(160, 120))
            return block, [replace(whole, body=whole.body[: len(whole.body) // 2])]
        case "single_colour":
            return block, [_png(url, Image.new("RGB", (120, 90), (226, 226, 220)))]
        case "icon":
            tip = f'<p><img src="{url}" alt="Tip:"> A tip from our readers: print this page before you go.</p>'
            return tip, [_png(url, _disc(32))]
        case "banner":
            advert = f'<div class="banner"><a href="/fair.html"><img src="{url}" alt="Visit our fair"></a></div>'
            return advert, [_png(url, _advert())]
    raise AssertionError(kind)


def tracking_pixel(site: Site) -> tuple[str, Exchange]:
    """A 1 x 1 GIF that counts readers; its address is the same on all pages of a site."""
    file = io.BytesIO()
    Image.new("P", (1, 1)).save(file, "GIF")
    url = f"https://{site.host}/count.gif"
    element = f'<img src="{url}" width="1" height="1" alt="">'
    return element, Exchange(url=url, body=file.getvalue(), content_type="image/gif")


def logo(site: Site) -> Exchange:
    """48 x 48 pixels with the site's initial: every page has it in its header."""
    image = Image.new("RGB", (48, 48), site.accent)
    initial = site.name.removeprefix("The ")[0]
    ImageDraw.Draw(image).text((24, 25), initial, fill="white", font=ImageFont.load_default(32), anchor="mm")
    return _png(f"https://{site.host}/logo.png", image)


def _png(url: str, image: Image.Image) -> Exchange:
    return Exchange(url=url, body=encode(image, "image/png").content, content_type="image/png")


def _disc(side: int) -> Image.Image:
    image = Image.new("RGB", (side * 3, side * 3), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((3, 3, side * 3 - 4, side * 3 - 4), fill=(70, 120, 160))
    pen.text((side * 1.5, side * 1.5), "i", fill="white", font=ImageFont.load_default(side * 2), anchor="mm")
    return image.reduce(3)


def _advert() -> Image.Image:
    image = _stripes(480, 120)
    image.paste((250, 246, 232), (60, 24, 420, 96))
    pen = ImageDraw.Draw(image)
    pen.text((240, 60), "Visit our fair in May", fill=(120, 60, 40), font=ImageFont.load_default(30), anchor="mm")
    return image


def _stripes(width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), (190, 110, 70))
    for x in range(0, width, 24):
        image.paste((236, 226, 200), (x, 0, x + 12, height))
    return image
