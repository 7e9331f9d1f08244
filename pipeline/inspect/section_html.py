"""Sections to HTML: what callers add to the report. All of it is escaped."""

from __future__ import annotations

from html import escape

from m3w.pipeline.inspect.charts import curve_chart
from m3w.pipeline.inspect.examples import picture_url
from m3w.pipeline.inspect.sections import Cell, Curve, Drawn, Item, Paragraph, Pictures, Section, Table
from m3w.pipeline.inspect.wording import number


def section_html(section: Section) -> str:
    """The section's items, one behind another, without its title."""
    return "".join(_item(item) for item in section.items)


def _item(item: Item) -> str:
    if isinstance(item, Paragraph):
        return f"<p>{escape(item.text)}</p>"
    if isinstance(item, Table):
        return table_html(item)
    if isinstance(item, Curve):
        return curve_chart(item)
    return _pictures(item)


def table_html(table: Table) -> str:
    numeric = [all(isinstance(row[place], int | float) for row in table.rows) for place in range(len(table.header))]
    kinds_of = [' class="number"' if is_number else "" for is_number in numeric]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(table.header, kinds_of, strict=True))
    rows = "".join(
        f"<tr>{''.join(_cell(cell, kind) for cell, kind in zip(row, kinds_of, strict=True))}</tr>" for row in table.rows
    )
    title = f"<h3>{escape(table.title)}</h3>" if table.title else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'{title}<div class="scroll"><table class="plain">{body}</table></div>'


def _cell(cell: Cell, kind: str) -> str:
    """A number also carries its value, which the report's script sorts by."""
    if isinstance(cell, Drawn):
        return f"<td>{cell.svg}</td>"
    if isinstance(cell, str):
        return f"<td{kind}>{escape(cell)}</td>"
    said = number(cell) if isinstance(cell, int) or abs(cell) >= 1000 else f"{cell:,.4g}"
    return f'<td{kind} data-value="{cell!r}">{said}</td>'


def _pictures(item: Pictures) -> str:
    drawn = []
    for content, caption in item.pictures:
        url = picture_url(content)
        picture = f'<img src="{url}" alt="">' if url else '<div class="missing">cannot be shown</div>'
        drawn.append(f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>")
    return f'<div class="pictures">{"".join(drawn)}</div>'
