"""What a recipe says on lists of words, on which signals look words up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.list_file import NamedFile
from pipeline.recipe.section import Section

Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
"""ISO 639-1, or 639-3 where there is none."""


class WordListFiles(Section):
    """Files with a word a line, by language."""

    stop: dict[Language, NamedFile] = {}
    """In place of the shipped list."""
    common: dict[Language, NamedFile] = {}
    """In place of the shipped list; only English has one."""
    flagged: dict[Language, NamedFile] = {}
    """Beside the shipped list, which is for all languages."""
