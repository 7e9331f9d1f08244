"""`m3w import`: a dataset from documents in the format of another project, built like any other after extraction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import as_file, files

from m3w.pipeline.build import build
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.exchange import check_input_format
from m3w.pipeline.recipe import Recipe, load_recipe
from m3w.recipes.errors import InputError
from m3w.schemas.manifest import Manifest

RECIPE = "import.yaml"


def import_dataset(
    format: str,
    sources: Sequence[str],
    out: str,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    address: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Build a dataset in the run `out` from `sources`: files, globs or folders in the format `format`.

    `format` is a built-in name or the dotted path of a `m3w.pipeline.exchange.Reader`. Raises `InputError` before
    anything is written, and what `m3w.pipeline.build.build` raises.
    """
    check_input_format(format)
    with as_file(files("m3w.recipes").joinpath(RECIPE)) as shipped:
        crawl = [f"crawl.format={format}", f"crawl.paths={json.dumps(list(sources))}"]
        loaded = load_recipe(recipe or str(shipped), [*crawl, *overrides])
    _check_images_are_available(loaded)
    return build(loaded, out, address=address, progress=progress)


def _check_images_are_available(recipe: Recipe) -> None:
    if recipe.crawl.format == "obelics" and recipe.fetch.source != "web":
        raise InputError(
            "obelics names images only by URL and fetch.source is archive, so every document would lose its images; "
            "fetch them: --set fetch.source=web --set fetch.contact=YOUR-ADDRESS"
        )
