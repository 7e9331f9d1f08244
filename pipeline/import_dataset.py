"""`m3w import`: documents in the form of another project to a dataset, by a build whose pages come ready-made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import as_file, files

from m3w.pipeline.build import build
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.exchange.import_documents import READERS
from m3w.pipeline.recipe import Recipe, load_recipe
from m3w.recipes.errors import InputError
from m3w.schemas.manifest import Manifest

RECIPE = "import.yaml"


def import_dataset(
    form: str,
    sources: Sequence[str],
    out: str,
    *,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    address: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Bring the files, globs or folders `sources` of the form `form` to a dataset in the run `out`.

    Raises `InputError` before anything is written, and what `m3w.pipeline.build.build` raises.
    """
    if form not in READERS:
        raise InputError(f"{form} is not a format to import, so nothing was read; give one of {', '.join(READERS)}")
    with as_file(files("m3w.recipes").joinpath(RECIPE)) as shipped:
        own = [f"crawl.format={form}", f"crawl.paths={json.dumps(list(sources))}"]
        loaded = load_recipe(recipe or str(shipped), [*own, *overrides])
    _check_images_can_be_had(loaded)
    return build(loaded, out, address=address, progress=progress)


def _check_images_can_be_had(recipe: Recipe) -> None:
    if recipe.crawl.format == "obelics" and recipe.fetch.source != "web":
        raise InputError(
            "obelics names images by URL alone and fetch.source is archive, so every document would lose its images; "
            "fetch them: --set fetch.source=web --set fetch.contact=YOUR-ADDRESS"
        )
