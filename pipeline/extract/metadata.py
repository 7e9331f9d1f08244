"""The metadata of a page: title, declared language, canonical URL, time of publication, licence, opt-out marks.

They are only recorded here; rules decide on them later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from m3w.pipeline.extract.blocks import Page
from m3w.pipeline.extract.urls import RejectedUrlError, resolve
from m3w.schemas.document import InterleavedDocument

OPT_OUT_WORDS = frozenset(("noai", "noimageai", "noindex", "noimageindex"))
_ROBOTS = frozenset(("robots", "googlebot", "bingbot", "googlebot-image", "ai", "none"))
_PUBLISHED = (
    "article:published_time", "og:article:published_time", "datepublished", "date.published", "publishdate", "pubdate",
    "dc.date.issued", "dcterms.issued", "dcterms.created", "dc.date.created", "sailthru.date", "parsely-pub-date",
    "article.published", "published-date", "publication_date", "citation_publication_date", "dc.date",
    "dcterms.date", "date",
)  # fmt: skip
"""Names of `meta` elements with the time of publication, the most reliable first."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8})*\Z")
_ISO_TIME = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:[T ]+(\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE,
)
_JSON_TIME = re.compile(r'"datePublished"\s*:\s*"([^"]{8,40})"')
LONGEST_TITLE = 500
"""Characters; longer titles are cut."""


def describe(document: InterleavedDocument, page: Page, base: str, html: str) -> None:
    """Set the metadata of `page` on `document`. `html` is only searched for a time of publication."""
    named = _named(page)
    title = " ".join((page.title or named.get("og:title") or "").split())
    document.title = title[:LONGEST_TITLE] or None
    document.declared_language = _language(page, named)
    document.canonical_url = _linked(page, "canonical", base)
    document.license = _linked(page, "license", base)
    document.published_at = _published_at(page, named, html)
    document.opt_out = _opt_out(page)


def _named(page: Page) -> dict[str, str]:
    """The content of each `meta` by its name, property or itemprop, lower case; the first of equals."""
    contents: dict[str, str] = {}
    for meta in page.meta:
        content = meta.get("content")
        if content and len(content) <= 2000:
            for key in ("name", "property", "itemprop", "http-equiv"):
                name = meta.get(key)
                if name:
                    contents.setdefault(name.strip().lower(), content)
    return contents


def _language(page: Page, named: dict[str, str]) -> str | None:
    html = page.html
    for candidate in (html.get("lang"), html.get("xml:lang"), named.get("content-language"), named.get("og:locale")):
        language = (candidate or "").strip().lower().replace("_", "-").split(",")[0]
        if _LANGUAGE.match(language):
            return language
    return None


def _linked(page: Page, relation: str, base: str) -> str | None:
    for link in page.links:
        if relation in (link.get("rel") or "").lower().split() and link.get("href"):
            try:
                return resolve(base, link["href"] or "")
            except RejectedUrlError:
                continue
    return None


def _published_at(page: Page, named: dict[str, str], html: str) -> str | None:
    for candidate in _times(page, named, html):
        time = iso_time(candidate)
        if time:
            return time
    return None


def _times(page: Page, named: dict[str, str], html: str) -> Iterator[str]:
    for name in _PUBLISHED:
        if name in named:
            yield named[name]
    offset = html.find('"datePublished"')
    match = _JSON_TIME.match(html, offset) if offset >= 0 else None
    if match:
        yield match[1]
    for time in page.times:
        if "pubdate" in time or time.get("itemprop") == "datePublished" or "published" in (time.get("class") or ""):
            yield time.get("datetime") or ""
    if len(page.times) == 1:
        yield page.times[0].get("datetime") or ""


def iso_time(value: str) -> str | None:
    """`value` as ISO 8601, a date if it has no time; None if it is neither."""
    match = _ISO_TIME.match(value.strip())
    try:
        if match is None:
            return parsedate_to_datetime(value.strip()).isoformat()
        day = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if match[4] is None:
        return day.strftime("%Y-%m-%d")
    zone = (match[7] or "").upper()
    zone = "+00:00" if zone in ("Z", "UTC", "GMT") else zone[:3] + ":" + zone[-2:] if zone else ""
    if int(match[4]) > 23 or int(match[5]) > 59:
        return None
    return f"{day:%Y-%m-%d}T{match[4]}:{match[5]}:{match[6] or '00'}{zone}"


def _opt_out(page: Page) -> list[str]:
    marks: set[str] = set()
    for meta in page.meta:
        name, content = (meta.get("name") or "").strip().lower(), (meta.get("content") or "").lower()
        if name in _ROBOTS:
            words = set(re.split(r"[\s,;]+", content[:1000]))
            marks |= OPT_OUT_WORDS & (words | {"noindex"} if "none" in words else words)
        elif name == "tdm-reservation" and content.strip() == "1":
            marks.add(name)
    return sorted(marks)
