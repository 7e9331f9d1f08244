"""Synthetic pages with the sizes of real ones; page `number` depends on its number alone.

Sizes are those of 442 real pages (bytes of HTML: median 82 kB, 95 of 100 below 293 kB; words of main content: median
470, 95 of 100 below 2,610; 2.6 images in the main content, none in four of ten pages; compressed to a fifth):
log-normal through these two points. The rest of a page is menus, teasers, scripts and styles, as on real sites. Texts
mix a language's stop words with invented words, so that the language is detected and English pages pass the rules.

Of 100 pages, 4 are near-duplicates (an earlier text with a few words changed) and 2 repeat an earlier page's text.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from benchmarks.synthetic_documents import vocabulary

HTML_BYTES = (82_000, 293_000)
"""Median and 95th percentile."""
WORDS = (470, 2_610)
SCRIPT_SHARE = 0.25
"""Share of a page's bytes."""
PAGES_A_SITE = 50
LANGUAGES = ("en",) * 11 + ("de", "fr", "es", "ru", "pt", "it", "pl", "nl", "tr")
"""About 45 of 100 pages of a crawl are English; here it is more than half, to give the stages after the rules work."""
CODECS = {"ru": "windows-1251"}
_Z95 = 1.645
_MADE_UP = vocabulary(20_000)


@dataclass(frozen=True)
class Page:
    """A page and the images of its main content."""

    url: str
    html: bytes
    images: list[str]
    charset: str


def page(number: int) -> Page:
    """Page `number`."""
    rng = random.Random(number)
    site, language, host = _site(number)
    text = _text_of(number)
    codec = CODECS.get(language, "utf-8")
    images = [f"http://{host}/media/{number}-{n}.jpg" for n in range(_image_count(rng))]
    size = max(3_000, int(_lognormal(rng, HTML_BYTES) - 6_500))  # menu and footer are added to it
    article = _article(rng, text, images)
    title = " ".join(text[:8])
    head = (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="{codec}"><title>{title}</title>'
        f'<link rel="canonical" href="http://{host}/{number}.html">'
    )
    rest = max(0, size - len(article) - len(head))
    scripts = _cut(rng, _SCRIPTS[site % len(_SCRIPTS)], int(size * SCRIPT_SHARE))
    menu, teasers = _boilerplate(site, language, host), max(0, rest - len(scripts))
    html = (
        f"{head}<script>{scripts}</script></head><body><header><nav><ul>{menu}</ul></nav></header>"
        f'<main><article>{article}</article></main><aside class="sidebar"><ul>{_teasers(rng, teasers)}</ul></aside>'
        f"<footer><p>{host} {menu[:400].rpartition('<li')[0]}</p></footer></body></html>"
    )
    return Page(url=f"http://{host}/{number}.html", html=html.encode(codec, "ignore"), images=images, charset=codec)


def _site(number: int) -> tuple[int, str, str]:
    site = (number // PAGES_A_SITE * 7919 + number % PAGES_A_SITE % 5) % 1_000_003  # five sites take turns
    return site, LANGUAGES[site % len(LANGUAGES)], f"www.site-{site}.example"


def _lognormal(rng: random.Random, points: tuple[int, int]) -> float:
    median, p95 = points
    return rng.lognormvariate(math.log(median), math.log(p95 / median) / _Z95)


def _image_count(rng: random.Random) -> int:
    return 0 if rng.random() < 0.4 else 1 + min(40, int(rng.expovariate(1 / 3.3)))


def _text_of(number: int) -> list[str]:
    """The words of a page; a copy has those of the page 94 before it, which is not a copy."""
    place = number % 100
    if place >= 6 or number < 100:
        return _new_text(number, _site(number)[1])
    words = _new_text(number - 94, _site(number - 94)[1])
    if place < 4:
        for n in range(3):
            words[(n + 1) * len(words) // 5] = f"{number}x{n}"
    return words


def _new_text(number: int, language: str) -> list[str]:
    rng = random.Random(f"{number} text")
    count = min(20_000, max(8, int(_lognormal(rng, WORDS))))
    stop = _stop_words(language)
    made_up = [_MADE_UP[int(len(_MADE_UP) * rng.random() ** 2)] for _ in range(count)]
    return [rng.choice(stop) if rng.random() < 0.45 else word for word in made_up]


@lru_cache
def _stop_words(language: str) -> list[str]:
    lines = (
        files("m3w.pipeline.filters").joinpath(f"words/stop/{language}.txt").read_text(encoding="utf-8").splitlines()
    )
    return [line for line in lines if line and not line.startswith("#")]


def _article(rng: random.Random, words: list[str], images: list[str]) -> str:
    pieces = [f"<h1>{' '.join(words[:8])}</h1>"]
    waiting = list(images)
    for paragraph in _paragraphs(rng, words):
        pieces.append(f"<p>{paragraph}</p>")
        if waiting and rng.random() < 0.5:
            pieces.append(_figure(waiting.pop(0), paragraph))
    pieces += [_figure(url, "") for url in waiting]
    return "\n".join(pieces)


def _figure(url: str, text: str) -> str:
    caption = f"<figcaption>{text[:60]}</figcaption>" if text else ""
    return f'<figure><img src="{url}" alt="{text[:30]}" width="640" height="480">{caption}</figure>'


def _paragraphs(rng: random.Random, words: list[str]) -> Iterator[str]:
    start = 0
    while start < len(words):
        end = start + rng.randint(25, 90)
        sentences = [words[n : n + 13] for n in range(start, min(end, len(words)), 13)]
        yield " ".join(f"{' '.join(sentence).capitalize()}." for sentence in sentences)
        start = end


def _cut(rng: random.Random, text: str, size: int) -> str:
    """`size` characters of a text, which is repeated as needed."""
    start = rng.randrange(len(text) // 2)
    while len(text) - start < size:
        text += text
    return text[start : start + size]


@lru_cache(64)
def _boilerplate(site: int, language: str, host: str) -> str:
    rng = random.Random(site)
    stop = _stop_words(language)
    return "".join(
        f'<li class="menu-item"><a href="http://{host}/{n}">{rng.choice(stop)} {_MADE_UP[rng.randrange(2000)]}</a>'
        for n in range(60)
    )


def _teasers(rng: random.Random, size: int) -> str:
    """Links to other pages that fill the given number of bytes."""
    start = rng.randrange(len(_LINKS) // 2)
    return "".join(_LINKS[start : start + size // _LINK_BYTES])


def _made_scripts(count: int) -> list[str]:
    rng = random.Random(1)
    line = "function {0}({1}){{var {2}=document.getElementById('{0}');if({2}.{1}==={3}){{window.{2}({3})}}}}\n"
    return [
        "".join(line.format(*(rng.choice(_MADE_UP[:90]) for _ in range(3)), rng.randrange(10_000)) for _ in range(600))
        for _ in range(count)
    ]


def _made_links(count: int) -> list[str]:
    rng, common = random.Random(2), _MADE_UP[:60]

    def words(so_many: int) -> str:
        return " ".join(rng.choice(common) for _ in range(so_many))

    icon = '<img src="/i/{0}.gif" width="16" height="16" alt="">'
    return [
        f'<li class="teaser teaser-{n} {words(3)}" data-track="teaser-impression teaser-click sidebar-{words(1)}">'
        f'<a class="teaser-link {words(2)}" href="/{words(4).replace(" ", "/")}/{n}.html" title="{words(5)}">'
        f"{icon.format(n) if n % 20 == 0 else ''}{words(7)}</a></li>\n"
        for n in range(count)
    ]


_SCRIPTS = _made_scripts(32)
_LINKS = _made_links(6_000)
_LINK_BYTES = sum(map(len, _LINKS)) // len(_LINKS)
