"""What a recipe says on pages and images that are left out by their URL."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.list_file import NamedFile
from pipeline.recipe.section import Section


class BlockedUrls(Section):
    """Which URLs are blocked; `pipeline.blocklist` says what matches."""

    domain_files: list[NamedFile] = []
    """Files with a domain a line; each stands for all names below it, too."""
    word_files: list[NamedFile] = []
    """Files with a word a line."""
    words: list[Annotated[str, Field(pattern=r"^\w+$")]] = []
    """Matched as whole words of host and path."""
    substrings: list[Annotated[str, Field(min_length=1)]] = []
    """Matched anywhere in host and path."""
    adult_words: bool = False
    """The list that ships with this package."""


class Urls(Section):
    """Block lists. A blocked page is dropped after extraction, a blocked image before it is fetched."""

    pages: BlockedUrls = BlockedUrls()
    images: BlockedUrls = BlockedUrls()
