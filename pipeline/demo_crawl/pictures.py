"""Pictures on the pages of the demo web: how a page addresses and loads them, and images that a dataset should drop.

The bad images are missing, broken, too small, too wide or of one colour.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from html import escape
from random import Random

from PIL import Image, ImageDraw, ImageFont

from m3w.pipeline.demo_crawl.articles import Illustration
from m3w.pipeline.demo_crawl.drawings import EncodedImage, draw, draw_in_two_sizes, encode
from m3w.pipeline.demo_crawl.pack import Exchange
from m3w.pipeline.demo_crawl.scenes import Scene, announcement, caption, draw_scene, short_description
from m3w.pipeline.demo_crawl.sites import Site

PICTURE_HOST = "pictures.example"
"""Host of the pictures on pages with `absolute` addresses."""

ADDRESSES = ("root", "relative", "base", "absolute")
"""`/pictures/x.png`, `../pictures/x.png`, `pictures/x.png` below a `<base>`, `https://pictures.example/x.png`."""

LOADINGS = ("plain", "plain", "lazy", "plain", "srcset", "plain", "noscript", "plain", "picture", "plain")
"""`plain` is `src` alone; see `_element` for the others."""

PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent pixel in `src`, until a script loads the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStyle:
    """How a page addresses and loads its pictures."""

    address: str
    loading: str
    before: bool
    """Captions come before pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePicture:
    """A drawn picture on a page."""

    scene: Scene
    illustration: Illustration
    files: tuple[Exchange, ...]
    """The response with the picture; two where the page offers two sizes."""

    @property
    def url(self) -> str:
        return self.files[0].url


def page_picture(site: Site, style: PictureStyle, random: Random) -> PagePicture:
    """Draw a random scene and write the element that shows it."""
    scene = draw_scene(random)
    if style.loading in ("srcset", "picture"):
        images: tuple[EncodedImage, ...] = draw_in_two_sizes(scene, random)
    else:
        images = (draw(scene, random),)
    name = f"{random.getrandbits(40):010x}"  # does not give the picture away
    names = [f"{name}{size}.{image.suffix}" for image, size in zip(images, ("", "-2x"), strict=False)]
    text = announcement(scene) if style.before else caption(scene, site.noun, random)
    alternative = random.choice((short_description(scene.things), f"{site.noun} in close-up", ""))
    element = _element(style, [_address(style, name) for name in names], images[0], alternative)
    files = tuple(
        Exchange(url=_url(site, style, name), body=image.content, content_type=image.mime)
        for name, image in zip(names, images, strict=True)
    )
    illustration = Illustration(html=element, caption=text, before=style.before)
    return PagePicture(scene=scene, illustration=illustration, files=files)


def base_of(site: Site, style: PictureStyle) -> str:
    """`href` of the page's `<base>` element; empty if it has none."""
    return f"https://{site.host}/" if style.address == "base" else ""


def _url(site: Site, style: PictureStyle, name: str) -> str:
    return f"https://{PICTURE_HOST}/{name}" if style.address == "absolute" else f"https://{site.host}/pictures/{name}"


def _address(style: PictureStyle, name: str) -> str:
    return {
        "root": f"/pictures/{name}",
        "relative": f"../pictures/{name}",
        "base": f"pictures/{name}",
        "absolute": f"https://{PICTURE_HOST}/{name}",
    }[style.address]


def _element(style: PictureStyle, addresses: list[str], image: EncodedImage, alternative: str) -> str:
    size = f'width="{image.width}" height="{image.height}" alt="{escape(alternative)}"'
    plain = f'<img src="{addresses[0]}" {size}>'
    lazy = f'<img class="lazy" src="{PLACEHOLDER}" data-src="{addresses[0]}" {size}>'
    match style.loading:
        case "lazy":  # a script moves data-src to src when the reader scrolls to it
            return lazy
        case "noscript":  # the same, with a twin for readers without scripts
            return f"{lazy}<noscript>{plain}</noscript>"
        case "srcset":
            return f'<img src="{addresses[0]}" srcset="{addresses[0]} 1x, {addresses[1]} 2x" {size}>'
        case "picture":
            source = f'<source media="(min-width: 1200px)" srcset="{addresses[1]}">'
            return f"<picture>{source}{plain}</picture>"
    return plain


ODD_IMAGES = {
    "missing": 2,
    "absent": 1,
    "not_an_image": 1,
    "cut_short": 1,
    "banner": 3,
    "single_colour": 3,
    "icon": 4,
}
"""Number of bad images by kind. Each is on the first page of a training site."""


def odd_image(kind: str, site: Site) -> tuple[str, list[Exchange]]:
    """A block of HTML with one bad image, and the image's response (none for `absent`)."""
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
    """48 x 48 pixels with the site's initial, in the header of every page."""
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
