"""m3w turns a web crawl into a multimodal training set and trains a Flamingo on it.

The folders of the repository are its packages: `m3w.pipeline`, `m3w.trainer`, `m3w.model`, `m3w.schemas`, `m3w.cli`.
The names that people want first are offered here; each is imported when it is first used, so that `import m3w` loads
neither torch nor Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from m3w.model import Flamingo, FlamingoConfig, FlamingoProcessor
    from m3w.pipeline.build import build
    from m3w.pipeline.extract import extract_document as extract
    from m3w.schemas.document import ImageReference, InterleavedDocument

__all__ = [
    "Flamingo",
    "FlamingoConfig",
    "FlamingoProcessor",
    "ImageReference",
    "InterleavedDocument",
    "build",
    "extract",
]

_HOMES = {
    "Flamingo": ("m3w.model", "Flamingo"),
    "FlamingoConfig": ("m3w.model", "FlamingoConfig"),
    "FlamingoProcessor": ("m3w.model", "FlamingoProcessor"),
    "ImageReference": ("m3w.schemas.document", "ImageReference"),
    "InterleavedDocument": ("m3w.schemas.document", "InterleavedDocument"),
    "build": ("m3w.pipeline.build", "build"),
    "extract": ("m3w.pipeline.extract", "extract_document"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'm3w' has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
