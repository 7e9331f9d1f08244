"""Threshold preview of rules on images: what a range on a signal of fetched images would take.

In a run from `images/results`, all images that were fetched, dropped ones among them; in a dataset without its run from
the sizes of the images in it.
"""

from __future__ import annotations

from typing import Any

from m3w.pipeline.filters.signals.image import IMAGE_SIGNALS
from m3w.pipeline.images.store import StoreReader
from m3w.pipeline.inspect.viewer.tables import Tables
from m3w.recipes.errors import InputError

LISTED = 60
OF_SIZES = {
    "shorter_side": "least(width, height)",
    "longer_side": "greatest(width, height)",
    "aspect_ratio": "greatest(width, height) / least(width, height)",
}


class ImagePreview:
    """Ranges on signals of images."""

    def __init__(self, tables: Tables):
        self._tables = tables
        self._links = tables.of_run("images/results")

    def signals(self) -> list[str]:
        return list(IMAGE_SIGNALS if self._links else OF_SIZES)

    def take(self, signal: str, low: float | None, high: float | None) -> dict[str, Any]:
        """How many different images would be taken, and those nearest to the thresholds."""
        if signal not in self.signals():
            raise InputError(f"{signal} is no signal of images that can be previewed; docs/images.md lists them")
        outside = " OR ".join(
            f"value {sign} {bound!r}" for sign, bound in (("<", low), (">", high)) if bound is not None
        )
        outside = f"coalesce(isnan(value) OR {outside or 'false'}, true)"
        table = self._table(signal)
        (found,) = self._tables.rows(
            f"SELECT count(*) AS images, count(*) FILTER (WHERE {outside}) AS taken FROM {table}"
        )
        distances = [f"abs(value - {bound!r})" for bound in (low, high) if bound is not None]
        nearest = f"least({', '.join(distances)})" if distances else "url"
        listed = self._tables.rows(
            f'SELECT url, value, width, height, path, "offset", size FROM {table} WHERE {outside} '
            f"ORDER BY {nearest} NULLS LAST, url LIMIT {LISTED}"
        )
        for row in listed:
            row["stored"] = row.pop("path") is not None and row.pop("offset") is not None and row.pop("size") > 0
        return {**found, "examples": listed}

    def _table(self, signal: str) -> str:
        if self._links is None:
            references = f"(SELECT unnest(images) AS image FROM {self._tables.dataset()})"
            of_sizes = OF_SIZES[signal].replace("width", "image.width").replace("height", "image.height")
            return (
                f"(SELECT image.url AS url, any_value({of_sizes}) AS value, any_value(image.width) AS width, "
                f'any_value(image.height) AS height, NULL AS path, NULL AS "offset", NULL AS size '
                f"FROM {references} WHERE image.status = 'ok' GROUP BY 1)"
            )
        return (
            f'(SELECT url, any_value(signals."{signal}") AS value, '
            "any_value(width) AS width, any_value(height) AS height, "
            f'any_value(location.path) AS path, any_value(location."offset") AS "offset", any_value(location.size) '
            f"AS size FROM {self._links} WHERE status = 'ok' GROUP BY 1)"
        )

    def image(self, url: str) -> bytes | None:
        """The bytes of a fetched image of the run by its address."""
        if self._links is None or self._tables.run is None:
            return None
        found = self._tables.rows(f"SELECT location FROM {self._links} WHERE url = ? AND status = 'ok' LIMIT 1", [url])
        if not found or found[0]["location"] is None:
            return None
        run = self._tables.run
        with StoreReader(lambda path: run.fs.open(run.full(path), "rb")) as store:
            content: bytes = store.read(found[0]["location"])
            return content
