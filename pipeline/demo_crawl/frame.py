"""What surrounds the main content: navigation, sidebar, footer, cookie banner.

Extraction must find the article between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from m3w.pipeline.demo_crawl.pack import Exchange
from m3w.pipeline.demo_crawl.sites import SITES, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link from one page of a site to another."""

    path: str
    title: str
    thumbnail: str = ""
    """URL of a picture for the sidebar, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of one page, without its frame."""

    path: str
    title: str
    article: str
    """HTML of the main content below its heading."""
    byline: str = ""
    summary: str = ""
    base: str = ""
    """`href` of a `<base>` element, if the page has one."""
    language: str = "en"


STYLE = """\
:root {{ --accent: {accent}; --paper: {paper}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; font: 17px/1.6 {font}; color: #23262b; background: var(--paper); }}
a {{ color: var(--accent); }}
.top {{ background: #fff; border-bottom: 3px solid var(--accent); padding: 18px 32px; display: flex; flex-wrap: wrap;
  align-items: center; gap: 4px 16px; }}
.top img {{ border-radius: 8px; }}
.top .name {{ font-size: 1.5em; font-weight: bold; text-decoration: none; }}
.top .tagline {{ color: #666; font-style: italic; }}
nav ul {{ list-style: none; display: flex; gap: 20px; margin: 0; padding: 0; }}
.top nav {{ margin-left: auto; }}
.columns {{ display: flex; flex-direction: {direction}; gap: 40px; max-width: 1080px; margin: 32px auto;
  padding: 0 24px; }}
main {{ flex: 1; min-width: 0; background: #fff; padding: 16px 36px 28px; border-radius: 10px;
  box-shadow: 0 1px 4px rgba(0, 0, 0, .12); }}
h1 {{ line-height: 1.25; margin: .5em 0 .2em; }}
h2 {{ color: var(--accent); font-size: 1.15em; margin: 1.6em 0 .3em; }}
.byline {{ color: #777; font-size: .9em; margin-top: 0; }}
.lead {{ font-size: 1.08em; }}
figure {{ margin: 1.2em 0; }}
figcaption {{ color: #444; font-size: .94em; margin-top: 6px; padding-left: 10px;
  border-left: 3px solid var(--accent); }}
main img {{ border: 1px solid #ddd; border-radius: 4px; padding: 3px; background: #fff; vertical-align: middle; }}
.grid {{ display: grid; grid-template-columns: 1fr 1fr; gap: 8px 28px; }}
.cell figure {{ margin: .6em 0; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
td, th {{ border-bottom: 1px solid #ddd; padding: 6px 14px; text-align: left; vertical-align: top; }}
td p:first-child {{ margin-top: 0; }}
.post {{ border: 1px solid #ddd; border-radius: 8px; padding: 4px 20px 8px; margin: 18px 0; }}
.by {{ color: #777; font-size: .9em; }}
blockquote {{ margin: 1em 0; padding: 0 20px; border-left: 4px solid var(--accent); font-style: italic; }}
aside {{ width: 240px; flex: none; font-size: .9em; }}
aside h3 {{ margin: 1.2em 0 .6em; color: var(--accent); }}
aside ul {{ list-style: none; padding: 0; }}
aside li {{ margin-bottom: 14px; }}
aside img {{ display: block; border-radius: 6px; margin-bottom: 4px; }}
footer {{ background: #2b2e33; color: #cfd3d8; padding: 22px 32px; font-size: .9em; }}
footer a {{ color: #fff; }}
.cookies {{ position: sticky; bottom: 0; background: #fffbe6; border-top: 1px solid #d9c87a; padding: 10px 32px;
  font-size: .9em; }}
.cookies button {{ margin-left: 12px; }}
"""

SCRIPT = 'document.querySelectorAll("img[data-src]").forEach(function (image) { image.src = image.dataset.src; });'
"""Loads the pictures in `data-src`."""

FONTS = ("Georgia, serif", "Verdana, 'DejaVu Sans', sans-serif", "'Trebuchet MS', 'Liberation Sans', sans-serif")
PAPERS = ("#f6f3ec", "#eef3f6", "#f3f6ee")

SECTIONS = {
    "diary": "Diary",
    "guide": "Guide",
    "recipe": "Recipes",
    "gallery": "Gallery",
    "forum": "Questions",
    "article": "News",
    "catalogue": "Catalogue",
    "lesson": "Lessons",
}
"""Name of the section with a site's pages, by kind of site."""


def stylesheet(site: Site) -> str:
    number = SITES.index(site)
    direction = "row-reverse" if number % 4 == 3 else "row"
    return STYLE.format(
        accent=site.accent,
        paper=PAPERS[number % len(PAPERS)],
        font=FONTS[number // 2 % len(FONTS)],
        direction=direction,
    )


def html(site: Site, content: Content, related: Sequence[Link] = (), *, transfer: str = "") -> Exchange:
    """The response to a request for the page."""
    return Exchange(
        url=f"https://{site.host}{content.path}",
        body=_page(site, content, related).encode(),
        content_type="text/html; charset=utf-8",
        transfer=transfer,
    )


def _page(site: Site, content: Content, related: Sequence[Link]) -> str:
    base = f'<base href="{content.base}">\n' if content.base else ""
    byline = f'<p class="byline">{escape(content.byline)}</p>\n' if content.byline else ""
    return f"""<!DOCTYPE html>
<html lang="{content.language}">
<head>
<meta charset="utf-8">
{base}<title>{escape(content.title)} | {escape(site.name)}</title>
<meta name="description" content="{escape(content.summary)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="canonical" href="https://{site.host}{content.path}">
<link rel="stylesheet" href="/style.css">
</head>
<body>
{_header(site)}
<div class="columns">
<main>
<article>
<h1>{escape(content.title)}</h1>
{byline}{content.article}
</article>
</main>
{_sidebar(site, related)}
</div>
{_footer(site)}
<script>{SCRIPT}</script>
</body>
</html>
"""


def _header(site: Site) -> str:
    return f"""<header class="top">
<img src="/logo.png" width="48" height="48" alt="{escape(site.name)}">
<a class="name" href="/">{escape(site.name)}</a>
<span class="tagline">{escape(site.tagline)}</span>
<nav><ul><li><a href="/">Home</a></li><li><a href="/{site.kind}/">{SECTIONS[site.kind]}</a></li>\
<li><a href="/about.html">About us</a></li><li><a href="/contact.html">Contact</a></li></ul></nav>
</header>"""


def _sidebar(site: Site, related: Sequence[Link]) -> str:
    items = []
    for link in related:
        picture = f'<img src="{link.thumbnail}" width="96" alt="" loading="lazy">' if link.thumbnail else ""
        items.append(f'<li><a href="{link.path}">{picture}{escape(link.title)}</a></li>')
    more = f"<h3>You may also like</h3>\n<ul>{''.join(items)}</ul>\n" if items else ""
    return f"""<aside class="sidebar">
{more}<h3>Newsletter</h3>
<form action="/subscribe"><input type="email" placeholder="Your address" size="18"> <button>Subscribe</button></form>
<h3>Share</h3>
<ul><li><a href="/share?by=mail">By mail</a></li><li><a href="/share?by=post">By post</a></li></ul>
</aside>"""


def _footer(site: Site) -> str:
    return f"""<footer>
<p>&copy; 2026 {escape(site.name)}. All rights reserved. <a href="/privacy.html">Privacy</a> &middot;
<a href="/imprint.html">Imprint</a> &middot; <a href="/sitemap.html">Sitemap</a></p>
</footer>
<div class="cookies" role="dialog" aria-label="Cookies">We use cookies to make this site work and to count visits.
<button>Accept all</button><button>Only what is needed</button></div>"""
