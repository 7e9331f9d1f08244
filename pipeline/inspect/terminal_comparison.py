"""Two datasets side by side on the terminal, 80 columns wide."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Shown
from rich.text import Text

from m3w.pipeline.inspect.comparison import comparison
from m3w.pipeline.inspect.figures import Statistics
from m3w.pipeline.inspect.wording import plain

WIDTH = 80


def print_comparison(left: Statistics, right: Statistics, console: Console) -> None:
    """Every figure that either of them has, the first's left of the second's."""
    console.print(Text(f"{plain(left.dataset)}\n{plain(right.dataset)}", style="bold"), soft_wrap=True)
    for table in comparison(left, right):
        console.print()
        console.print(Text(table.title, style="bold"))
        shown = Shown(box=None, pad_edge=False, header_style="dim", width=WIDTH)
        shown.add_column("", ratio=4, overflow="ellipsis", no_wrap=True)
        for name in table.header[1:]:
            shown.add_column(Text(name), ratio=3, justify="right", overflow="ellipsis", no_wrap=True)
        for row in table.rows:
            shown.add_row(*(Text(str(cell)) for cell in row))
        console.print(shown)
