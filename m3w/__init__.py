"""m3w turns a web crawl into a multimodal training set and trains a Flamingo on it.

The folders of the repository are its packages: `m3w.pipeline`, `m3w.trainer`, `m3w.model`, `m3w.schemas`,
`m3w.recipes` and
`m3w.cli`. The names that people want first are offered here. Each is imported when it is first used, so `import m3w`
loads neither torch nor Ray.

    import m3w

    document = m3w.extract(html, "https://example.org/page.html")
    manifest = m3w.build("recipes/m3w.yaml", "runs/first", {"crawl.paths": ["crawl/*.warc.gz"]})
    model = m3w.Flamingo.from_pretrained("runs/training/model")
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from m3w.model import Flamingo, FlamingoConfig, FlamingoProcessor
    from m3w.pipeline.extract import extract_document as extract
    from m3w.pipeline.recipe import Recipe
    from m3w.schemas.document import ImageReference, InterleavedDocument
    from m3w.schemas.manifest import Manifest

__all__ = [
    "Flamingo",
    "FlamingoConfig",
    "FlamingoProcessor",
    "ImageReference",
    "InterleavedDocument",
    "build",
    "extract",
]

_LAZY = {
    "Flamingo": ("m3w.model", "Flamingo"),
    "FlamingoConfig": ("m3w.model", "FlamingoConfig"),
    "FlamingoProcessor": ("m3w.model", "FlamingoProcessor"),
    "ImageReference": ("m3w.schemas.document", "ImageReference"),
    "InterleavedDocument": ("m3w.schemas.document", "InterleavedDocument"),
    "extract": ("m3w.pipeline.extract", "extract_document"),
}


def build(
    recipe: Recipe | str, run: str, overrides: Mapping[str, Any] | None = None, *, address: str | None = None
) -> Manifest:
    """Build the dataset of a recipe in the folder `run`; call it again to resume. As `m3w build` does.

    `recipe` is a recipe or the path of one (local, or any fsspec path), `overrides` are values by key, such as
    `{"fetch.source": "web"}`, and `address` a Ray cluster's; without one Ray starts on this machine. Raises
    `m3w.recipes.errors.InputError` for wrong input, before anything is written, and what
    `m3w.pipeline.build.build` raises.
    """
    import json

    from m3w.pipeline.build import build as build_recipe
    from m3w.pipeline.recipe import load_recipe

    if isinstance(recipe, str):
        recipe = load_recipe(recipe, [f"{key}={json.dumps(value)}" for key, value in (overrides or {}).items()])
    elif overrides:
        raise TypeError("overrides are for a recipe given by its path; change a Recipe with model_copy(update=...)")
    return build_recipe(recipe, run, address=address)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'm3w' has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, attribute = _LAZY[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
