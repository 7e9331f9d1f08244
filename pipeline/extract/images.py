"""What the page says of its pictures: the address to fetch, alternative text, size; or why there is none."""

from __future__ import annotations

import re
from collections import Counter

from pipeline.extract.blocks import Picture
from pipeline.extract.srcset import largest
from pipeline.extract.urls import RejectedUrlError, resolve
from schemas.document import ImageReference

LAZY = (
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-lazy",
    "data-hi-res-src",
    "data-image",
    "data-img-src",
    "data-ezsrc",
    "data-delayed-url",
    "data-flickity-lazyload",
    "data-lazyload",
    "data-orig-file",
    "data-large-file",
    "datasrc",
    "data-full",
)
LAZY_SETS = ("data-srcset", "data-lazy-srcset", "data-ezsrcset")
_PLACEHOLDER = re.compile(
    r"blank|placeholder|spacer|pixel|transparent|1x1|loading|loader|grey\.|gray\.|clear\.gif|lazy|dot\.gif",
    re.IGNORECASE,
)
_FURNITURE = re.compile(r"avatar|gravatar|icon|sprite|emoji|logo|spinner|badge|button", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*\Z")


def reference(picture: Picture, base: str, counters: Counter[str]) -> ImageReference | None:
    """The image reference of `picture`; None, with a counter of the reason, if it has none."""
    attributes = picture.attributes
    width, height = _length(attributes.get("width")), _length(attributes.get("height"))
    if (width is not None and width <= 2) or (height is not None and height <= 2):
        counters["image_pixel"] += 1
        return None
    reason = "image_without_address"
    for address in _addresses(picture):
        try:
            url = resolve(base, address)
        except RejectedUrlError as error:
            reason = str(error)
            continue
        alt = " ".join((attributes.get("alt") or "").split())
        return ImageReference(url=url, alt=alt or None, declared_width=width, declared_height=height)
    counters[reason] += 1
    return None


def _addresses(picture: Picture) -> list[str]:
    a = picture.attributes
    src = (a.get("src") or "").strip()
    lazy = [v for k in LAZY if (v := (a.get(k) or "").strip()) and "{" not in v and " " not in v]
    lazy += [largest(a.get(k) or "") or "" for k in LAZY_SETS if a.get(k)]
    srcset = largest(a.get("srcset") or "")
    good = [src] if src and not src.startswith("data:") and not _PLACEHOLDER.search(src) else []
    found = ([srcset] if srcset and not srcset.startswith("data:") else []) + good
    found = lazy + found if "lazy" in (a.get("class") or "") or not good else found + lazy
    for source in picture.sources:
        candidate = largest(source.get("srcset") or source.get("data-srcset") or "")
        if candidate:
            found.append(candidate)
    return found or ([src] if src else [])


def _length(value: str | None) -> int | None:
    match = _LENGTH.match(value) if value else None
    return int(match[1]) if match else None
