"""What a recipe says on lists of words, on which signals look words up."""

from __future__ import annotations

from pipeline.list_file import NamedFile
from pipeline.recipe.section import Section
from pipeline.rules import Language


class WordListFiles(Section):
    """Files with a word a line, by language."""

    stop: dict[Language, NamedFile] = {}
    """In place of the shipped list."""
    common: dict[Language, NamedFile] = {}
    """In place of the shipped list; only English has one."""
    flagged: dict[Language, NamedFile] = {}
    """Beside the shipped list, which is for all languages."""
