"""What the extractor leaves out of a page, by reason, and what it does to a page that is beyond bounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES, LONGEST_ADDRESS = 3, 2000
"""Addresses that are kept of each reason, and characters of one."""


@dataclass(slots=True)
class LeftOut:
    """Of one page."""

    references: Counter[str] = field(default_factory=Counter)
    """Pictures and videos, by reason: `url_javascript`, `image_placeholder`, ..."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first addresses of each reason, as the page has them; empty where there is none."""
    page: Counter[str] = field(default_factory=Counter)
    """`page_cut`, `page_flattened`, `page_tag_cut`, `parsed_by_beautifulsoup`."""

    def add(self, reason: str, address: str) -> None:
        self.references[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES and address[:LONGEST_ADDRESS] not in examples:
            examples.append(address[:LONGEST_ADDRESS])
