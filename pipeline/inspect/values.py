"""How often each value of a column stands in the dataset, batch by batch, in a table of bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from m3w.pipeline.inspect.distributions import Numbers
from m3w.pipeline.inspect.figures import Distribution, Frequencies, Value
from m3w.pipeline.inspect.funnel import share

HELD = 500_000
"""Values counted at a time (about 30 MB of hosts); when there are more, the rarer half is forgotten by name."""
_EMPTY = pa.table({"value": pa.array([], pa.string()), "count": pa.array([], pa.int64())})
_FIRST = [("count", "descending"), ("value", "ascending")]


@dataclass
class Values:
    """The values of one column."""

    title: str
    unit: str
    held: int = HELD
    _counts: pa.Table = field(default_factory=lambda: _EMPTY)
    """`value` and `count`, each value once."""
    _waiting: list[pa.Table] = field(default_factory=list)
    """Of batches that are not in `_counts` yet."""
    _forgotten: int = 0
    _most_held: int = 0

    def add(self, values: pa.Array) -> None:
        """Take in an array; a null is the value `unknown`."""
        found = pc.value_counts(values)
        names = pc.fill_null(pc.cast(found.field("values"), pa.string()), "unknown")
        self._waiting.append(pa.table({"value": names, "count": found.field("counts")}))
        if sum(table.num_rows for table in self._waiting) > self.held:
            self._settle()

    def _settle(self) -> None:
        """Bring what is waiting into the table, and forget the rarer values by name if it has become too long."""
        if self._waiting:
            grouped = pa.concat_tables([self._counts, *self._waiting]).group_by("value").aggregate([("count", "sum")])
            self._counts = grouped.rename_columns({"value": "value", "count_sum": "count"})
            self._waiting = []
        if self._counts.num_rows > self.held:
            total = self._sum()
            self._most_held = max(self._most_held, self._counts.num_rows)
            self._counts = self._counts.sort_by(_FIRST).slice(0, self.held // 2)
            self._forgotten += total - self._sum()

    def _sum(self) -> int:
        return int(pc.sum(self._counts["count"]).as_py() or 0)

    def close(self, *, listed: int = 20) -> Frequencies:
        """The figures, with the `listed` most frequent values by name."""
        self._settle()
        total = self._sum() + self._forgotten
        most = self._counts.sort_by(_FIRST).slice(0, listed).to_pylist()
        return Frequencies(
            title=self.title,
            unit=self.unit,
            total=total,
            distinct=max(self._most_held, self._counts.num_rows),
            exact=not self._forgotten,
            values=[Value(**each, share=share(each["count"], total)) for each in most],
            others=total - sum(each["count"] for each in most),
        )

    def per_value(self, title: str, unit: str, edges: Sequence[float]) -> Distribution:
        """How often each value stands in the dataset, as a distribution: the long tail of hosts, for example.

        Of the values that are still held by name; see `Frequencies.exact`.
        """
        self._settle()
        numbers = Numbers(title, unit, edges)
        numbers.add(self._counts["count"].combine_chunks())
        return numbers.close()
