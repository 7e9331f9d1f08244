"""What was dropped, in the report: a table of all reasons, and examples of each."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from m3w.pipeline.engine.drops import Drop
from m3w.pipeline.inspect.dropped import Examples
from m3w.pipeline.inspect.figures import Statistics
from m3w.pipeline.inspect.section_html import table_html
from m3w.pipeline.inspect.sections import Table
from m3w.pipeline.inspect.wording import number, plain, short

CHARACTERS = 400
KINDS = {
    "response": "Answers that are no page",
    "page": "Pages that gave no document",
    "document": "Documents",
    "text": "Texts taken out of documents",
    "image_reference": "Image references taken out of documents",
    "image": "Images that are not in the dataset",
}


def reasons_table(statistics: Statistics) -> str:
    """Every reason of a drop with its cause, its count and its share of what entered the step."""
    rows = [
        (plain(each.reason), each.count, round(each.share * 100, 2), (each.cause or "").replace("_", " "), step.kept_as)
        for step in statistics.funnel
        for each in step.exits
        if each.kind == "dropped"
    ]
    header = ("reason", "dropped", "share, %", "taken by", "on the way to")
    return table_html(Table(header=header, rows=rows)) if rows else ""


def drops_html(examples: Examples, pictures: Mapping[str, str]) -> str:
    """The examples by kind and reason; `pictures` are those of images that were fetched, by address."""
    parts = []
    for kind, title in KINDS.items():
        of_kind = {reason: drops for (each, reason), drops in examples.items() if each == kind}
        if of_kind:
            parts.append(f"<h3>{title}</h3>")
        for reason, drops in of_kind.items():
            cards = "".join(_card(drop, pictures) for drop in drops)
            parts.append(f'<h4><code>{escape(plain(reason))}</code></h4><div class="drops">{cards}</div>')
    return "".join(parts)


def threshold(drop: Drop) -> str:
    """`words = 12, allowed 50 to 100,000`; empty where no rule took it."""
    if drop.signal is None:
        return ""
    value = "no number" if drop.value is None or drop.value != drop.value else short(drop.value)
    if drop.min is not None and drop.max is not None:
        return f"{drop.signal} = {value}, allowed {number(drop.min)} to {number(drop.max)}"
    bound = f"at least {number(drop.min)}" if drop.min is not None else f"at most {number(drop.max or 0)}"
    return f"{drop.signal} = {value}, allowed {bound}"


def _card(drop: Drop, pictures: Mapping[str, str]) -> str:
    said = [f"<b>{escape(threshold(drop))}</b>"] if drop.signal else []
    said.append(f"<small>{escape(plain(drop.url))}</small>")
    if drop.image_url:
        said.append(f"<small>image: {escape(plain(drop.image_url[:CHARACTERS]))}</small>")
    if picture := pictures.get(drop.image_url or ""):
        said.append(f'<figure><img src="{picture}" alt=""></figure>')
    if drop.text:
        more = f" <small>… {number(len(drop.text) - CHARACTERS)} more characters</small>"
        text = escape(drop.text[:CHARACTERS]) + (more if len(drop.text) > CHARACTERS else "")
        said.append(f'<div class="nodes"><p dir="auto">{text}</p></div>')
    return f"<article>{''.join(said)}</article>"
