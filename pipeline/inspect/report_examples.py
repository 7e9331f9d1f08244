"""One example document as HTML: its nodes in page order, in a box that scrolls."""

from __future__ import annotations

from html import escape

from m3w.pipeline.inspect.examples import Example, picture_url
from m3w.pipeline.inspect.wording import counted, number, plain
from m3w.schemas.document import OK, ImageReference

NODES = 60
CHARACTERS = 2000
"""Of one text node; what is cut is said."""


def example_article(example: Example) -> str:
    """The document's title and place, then its first `NODES` nodes."""
    document = example.document
    nodes = list(zip(document.texts, document.images, example.image_bytes, strict=True))
    shown = "".join(
        _text(text) if text is not None else _image(image, content) for text, image, content in nodes[:NODES]
    )
    if len(nodes) > NODES:
        shown += f'<p class="soft">… {counted(len(nodes) - NODES, "more node")}</p>'
    facts = [counted(document.signals["words"], "word")] if document.signals else []
    facts.append(counted(sum(content is not None for content in example.image_bytes), "image"))
    facts += [document.language] if document.language else []
    return (
        f'<article><h3 dir="auto">{escape(plain(document.title or document.url))}</h3>'
        f"<small>{escape(plain(document.url))}</small><small>{escape(', '.join(facts))}</small>"
        f'<div class="nodes">{shown}</div></article>'
    )


def _text(text: str) -> str:
    more = f" <small>… {number(len(text) - CHARACTERS)} more characters</small>" if len(text) > CHARACTERS else ""
    return f'<p dir="auto">{escape(text[:CHARACTERS])}{more}</p>'


def _image(image: ImageReference | None, content: bytes | None) -> str:
    """The picture with what the page says of it; or, in its place, why it is not there."""
    url = picture_url(content) if content is not None else None
    said = [("caption", image.caption), ("alt", image.alt)] if image is not None else []
    words = escape("; ".join(f"{name}: {text[:CHARACTERS]}" for name, text in said if text))
    if url is not None:
        caption = f'<figcaption dir="auto">{words}</figcaption>' if words else ""
        return f'<figure><img src="{url}" alt="">{caption}</figure>'
    status = (image.status if image is not None else None) or "unknown"
    why = "image that cannot be shown" if status == OK else f"image not in the dataset: {escape(status)}"
    return f'<p class="missing">{why}{f" ({words})" if words else ""}</p>'
