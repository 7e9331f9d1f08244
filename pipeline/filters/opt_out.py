"""Lists of those who said no: URLs and domains whose pages and images are left out."""

from __future__ import annotations

from collections.abc import Iterable

from m3w.pipeline.crawl.urls import without_fragment
from m3w.pipeline.engine.list_file import read_entries
from m3w.pipeline.filters.blocklist import BlockList
from m3w.recipes.errors import InputError

OPTED_OUT = "opted_out"


class OptOut:
    """The union of the lists. A domain stands for all names below it; a URL for itself, whatever its scheme."""

    def __init__(self, entries: Iterable[str]):
        entries = set(entries)
        self._urls = {_without_scheme(entry) for entry in entries if "/" in entry}
        self._domains = BlockList(domains=[entry.lower().strip(".") for entry in entries if "/" not in entry])

    @classmethod
    def from_files(cls, paths: Iterable[str]) -> OptOut:
        """Raises `InputError` for a file that cannot be read or an entry that is neither."""
        entries = []
        for path in paths:
            for entry in read_entries(path):
                if " " in entry or "." not in entry:
                    raise InputError(
                        f"the opt-out list {path} holds {entry!r}, which is neither a URL nor a domain, so nobody "
                        "would be left out by it; write one of them a line"
                    )
                entries.append(entry)
        return cls(entries)

    def covers(self, url: str) -> bool:
        return _without_scheme(url) in self._urls or self._domains.reason(url) is not None


def _without_scheme(url: str) -> str:
    return without_fragment(url).rpartition("://")[2]
