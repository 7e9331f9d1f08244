"""The ways in which a page points at a picture and loads it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import Random

from m3w.pipeline.demo_crawl.articles import Illustration
from m3w.pipeline.demo_crawl.drawings import Picture, draw, draw_in_two_sizes
from m3w.pipeline.demo_crawl.exchange import Exchange
from m3w.pipeline.demo_crawl.scenes import Scene, announcement, caption, draw_scene, short_description
from m3w.pipeline.demo_crawl.sites import Site

PICTURE_HOST = "pictures.example"
"""Where pages with `absolute` addresses keep their pictures."""

ADDRESSES = ("root", "relative", "base", "absolute")
"""`/pictures/x.png`, `../pictures/x.png`, `pictures/x.png` below a `<base>`, `https://pictures.example/x.png`."""

LOADINGS = ("plain", "plain", "lazy", "plain", "srcset", "plain", "noscript", "plain", "picture", "plain")
"""`plain` is `src` alone; the others are explained in `_element`."""

PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent pixel, which stands in `src` until a script has loaded the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one page shows its pictures."""

    address: str
    loading: str
    before: bool
    """Captions stand before pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One drawn picture on a page."""

    scene: Scene
    illustration: Illustration
    files: tuple[Exchange, ...]
    """The picture's file; two where the page offers two sizes."""

    @property
    def url(self) -> str:
        return self.files[0].url


def show(site: Site, manner: Manner, random: Random) -> Shown:
    """Draws a scene and the picture of it, and writes the element that shows it."""
    scene = draw_scene(random)
    if manner.loading in ("srcset", "picture"):
        pictures: tuple[Picture, ...] = draw_in_two_sizes(scene, random)
    else:
        pictures = (draw(scene, random),)
    name = f"{random.getrandbits(40):010x}"  # says nothing of the picture
    names = [f"{name}{size}.{picture.suffix}" for picture, size in zip(pictures, ("", "-2x"), strict=False)]
    text = announcement(scene) if manner.before else caption(scene, site.noun, random)
    alternative = random.choice((short_description(scene.things), f"{site.noun} in close-up", ""))
    element = _element(manner, [_address(manner, name) for name in names], pictures[0], alternative)
    files = tuple(
        Exchange(url=_url(site, manner, name), body=picture.content, content_type=picture.mime)
        for name, picture in zip(names, pictures, strict=True)
    )
    illustration = Illustration(html=element, caption=text, before=manner.before)
    return Shown(scene=scene, illustration=illustration, files=files)


def base_of(site: Site, manner: Manner) -> str:
    """What the page's `<base>` says, if it has one."""
    return f"https://{site.host}/" if manner.address == "base" else ""


def _url(site: Site, manner: Manner, name: str) -> str:
    return f"https://{PICTURE_HOST}/{name}" if manner.address == "absolute" else f"https://{site.host}/pictures/{name}"


def _address(manner: Manner, name: str) -> str:
    return {
        "root": f"/pictures/{name}",
        "relative": f"../pictures/{name}",
        "base": f"pictures/{name}",
        "absolute": f"https://{PICTURE_HOST}/{name}",
    }[manner.address]


def _element(manner: Manner, addresses: list[str], picture: Picture, alternative: str) -> str:
    size = f'width="{picture.width}" height="{picture.height}" alt="{escape(alternative)}"'
    plain = f'<img src="{addresses[0]}" {size}>'
    lazy = f'<img class="lazy" src="{PLACEHOLDER}" data-src="{addresses[0]}" {size}>'
    match manner.loading:
        case "lazy":  # a script moves data-src to src when the reader comes near
            return lazy
        case "noscript":  # the same, with a twin for readers without scripts
            return f"{lazy}<noscript>{plain}</noscript>"
        case "srcset":
            return f'<img src="{addresses[0]}" srcset="{addresses[0]} 1x, {addresses[1]} 2x" {size}>'
        case "picture":
            source = f'<source media="(min-width: 1200px)" srcset="{addresses[1]}">'
            return f"<picture>{source}{plain}</picture>"
    return plain
