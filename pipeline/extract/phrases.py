"""Sentences that are no content wherever they stand: "read also: ...", in the languages of the web."""

from __future__ import annotations

import re

from m3w.pipeline.extract.blocks import Block

_READ_ALSO = re.compile(
    r"\W*(?:"
    r"read (?:also|more|next|on|the full)|also read|see also|more (?:on|from|about)|related|continue reading|"
    r"you (?:may|might) (?:also )?like|don.t miss|"
    r"lesen sie|lies auch|mehr (?:zum|zu|dazu|lesen|infos)|auch interessant|weiterlesen|zum thema|siehe auch|"
    r"passend dazu|das könnte|"
    r"lire (?:aussi|également)|à lire|voir aussi|sur le même|en savoir plus|"
    r"(?:lea|lee|leer|mira|ver|vea|puedes? (?:ver|leer)) (?:también|además|más)|puedes ver|te puede|le puede|"
    r"también te|leggi anche|leia (?:também|mais)|veja também|saiba mais|"
    r"lees (?:ook|verder|meer)|læs også|les også|läs (?:också|mer|även)|lue myös|"
    r"czytaj (?:także|też|więcej|również)|zobacz (?:także|też|również)|čtěte|přečtěte|čítajte|olvass|citește și|"
    r"читайте|читать|смотрите также|ayrıca|baca juga|xem thêm|đọc thêm|関連記事|相关阅读|あわせて読みたい"
    r")",
    re.IGNORECASE,
)
MOST_CHARACTERS = 200
"""Of a line that leads elsewhere."""
_LINES = frozenset(("p", "div", "blockquote", "h2", "h3", "h4", "h5", "h6", "li", "section"))


def points_elsewhere(block: Block) -> bool:
    """Whether a short block, most of it a link, starts like "read also"."""
    if block.name not in _LINES or block.chars > MOST_CHARACTERS or block.linked < block.chars * 0.5 or block.images:
        return False
    first = next((item for item in block.items if isinstance(item, str)), "")
    return _READ_ALSO.match(first) is not None
