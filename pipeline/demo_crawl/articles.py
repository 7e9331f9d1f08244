"""The main content of a page: pictures, captions and text, in eight layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from m3w.pipeline.demo_crawl.prose import MONTHS, PEOPLE, TOWNS, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustration:
    """A picture on a page: its element and its caption."""

    html: str
    """The element that loads the image."""
    caption: str
    """The sentence that describes it."""
    before: bool
    """The caption comes before the picture, not after it."""


Layout = Callable[[Writer, Sequence[Illustration]], str]


def paragraph(text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text, quote=False)}</p>"


def _figure(illustration: Illustration) -> str:
    """Picture and caption side by side, with no other text between them."""
    caption = escape(illustration.caption, quote=False)
    if illustration.before:
        return f"<p>{caption}</p>\n<figure>{illustration.html}</figure>"
    return f"<figure>{illustration.html}<figcaption>{caption}</figcaption></figure>"


def _paragraphs(illustration: Illustration) -> str:
    picture, caption = f'<p class="picture">{illustration.html}</p>', paragraph(illustration.caption)
    return f"{caption}\n{picture}" if illustration.before else f"{picture}\n{caption}"


def _inline(illustration: Illustration) -> str:
    """Picture and caption in one block, separated by a line break."""
    caption = escape(illustration.caption, quote=False)
    if illustration.before:
        return f"{caption}<br>{illustration.html}<br>"
    return f"{illustration.html}<br>{caption}"


def diary(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    first = writer.random.randrange(7)
    blocks = [paragraph(writer.opening(), "lead")]
    for number, illustration in enumerate(illustrations):
        blocks += [f"<h2>{days[(first + number) % 7]}</h2>", _figure(illustration), paragraph(writer.between())]
    return "\n".join([*blocks, paragraph(writer.closing())])


def guide(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    number = writer.random.randrange(1, 60)
    blocks = [paragraph(writer.opening(), "lead")]
    for illustration in illustrations:
        number += writer.random.randrange(1, 4)
        town, month = writer.random.choice(TOWNS), writer.random.choice(MONTHS)
        blocks += [f"<h2>No. {number}</h2>", _paragraphs(illustration), paragraph(writer.between())]
        blocks.append(
            f"<table><tr><th>Seen near</th><td>{town}</td></tr><tr><th>Checked in</th><td>{month}</td></tr></table>"
        )
    return "\n".join([*blocks, paragraph(writer.closing())])


def recipe(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    ingredients = ["flour", "sugar", "butter", "ground almonds", "honey", "milk", "oat flakes", "icing sugar"]
    chosen = writer.random.sample(ingredients, 5)
    amounts = [f"<li>{writer.random.randrange(5, 40) * 10} g {ingredient}</li>" for ingredient in chosen]
    blocks = [paragraph(writer.opening(), "lead"), "<h2>You need</h2>", f"<ul>{''.join(amounts)}</ul>"]
    blocks += ["<h2>How it is done</h2>", "<ol>"]
    for illustration in illustrations:
        blocks.append(f"<li><p>{_inline(illustration)}</p>{paragraph(writer.between())}</li>")
    return "\n".join([*blocks, "</ol>", paragraph(writer.closing())])


def gallery(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    cells = [_figure(illustration) + paragraph(writer.between()) for illustration in illustrations]
    grid = "\n".join(f'<div class="cell">{cell}</div>' for cell in cells)
    opening = [paragraph(writer.opening(), "lead"), paragraph(writer.between())]
    return "\n".join([*opening, f'<div class="grid">\n{grid}\n</div>', paragraph(writer.closing())])


def forum(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    authors = writer.random.sample(PEOPLE, len(illustrations))
    month, day = writer.random.choice(MONTHS), writer.random.randrange(1, 7)
    posts = []
    for number, (author, illustration) in enumerate(zip(authors, illustrations, strict=True)):
        day += writer.random.randrange(4)
        blocks = [f'<p class="by">{author} wrote on {day} {month}</p>']
        blocks += [paragraph(writer.opening(), "lead")] if number == 0 else []
        blocks += [_paragraphs(illustration), paragraph(writer.between())]
        posts.append('<div class="post">' + "\n".join(blocks) + "</div>")
    return "\n".join([*posts, paragraph(writer.closing())])


def article(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    blocks = [paragraph(writer.opening(), "lead")]
    for number, illustration in enumerate(illustrations):
        blocks += [paragraph(writer.between()), _paragraphs(illustration)]
        if number == 1:
            blocks.append(f"<blockquote>{paragraph(writer.fact())}</blockquote>")
    return "\n".join([*blocks, paragraph(writer.between()), paragraph(writer.closing())])


def catalogue(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    number = writer.random.randrange(100, 900)
    rows = ["<tr><th>Picture</th><th>What it is</th><th>Number</th></tr>"]
    for illustration in illustrations:
        number += writer.random.randrange(1, 9)
        text = paragraph(writer.between())
        caption = paragraph(illustration.caption)
        rows.append(f"<tr><td>{illustration.html}</td><td>{caption}{text}</td><td>{number}</td></tr>")
    table = "<table>\n" + "\n".join(rows) + "\n</table>"
    opening = [paragraph(writer.opening(), "lead"), paragraph(writer.between())]
    return "\n".join([*opening, table, paragraph(writer.closing())])


def lesson(writer: Writer, illustrations: Sequence[Illustration]) -> str:
    blocks = [paragraph(writer.opening(), "lead"), "<h2>What to bring</h2>", "<ul>"]
    blocks += [f"<li>{thing}</li>" for thing in ("paper and a pencil", "good light", "somebody to talk to")]
    blocks.append("</ul>")
    for number, illustration in enumerate(illustrations, 1):
        blocks += [f"<h2>Part {number}</h2>", _figure(illustration), paragraph(writer.between())]
    return "\n".join([*blocks, paragraph(writer.closing())])


KINDS: dict[str, Layout] = {
    "diary": diary,
    "guide": guide,
    "recipe": recipe,
    "gallery": gallery,
    "forum": forum,
    "article": article,
    "catalogue": catalogue,
    "lesson": lesson,
}
