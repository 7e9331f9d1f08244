"""Style sheets and scripts of the report and the viewer, as files of their own; nothing is built from them."""

from __future__ import annotations

from importlib.resources import files


def read(name: str) -> str:
    """The text of one of the files beside this one."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
