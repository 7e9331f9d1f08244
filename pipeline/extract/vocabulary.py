"""What class names, ids, roles and styles say of a block: the words that sites share.

The words are those that readers' tools have found sites to use since Readability (2009), and those found by reading
what sites call their parts; they stand by idea, so that one can be added where it belongs.
A label is the class and the id, lower case, with a space between.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.events import Attributes

CACHED_WORDS = 16384
"""About a megabyte in each process."""

NAVIGATION = r"breadcrumb|menu|navbar|toolbar|pager\b|paginat|skip-?link|site-?map"
ADVERTS = r"\bads?[-_]|[-_]ads?\b|\bads?\b|advert|banner|sponsor|promo|taboola|outbrain|skyscraper|dfp|shopping"
SHARING = r"share|sharing|social|addtoany|follow-?us"
TALK = r"comment|disqus|discuss|repl(?:y|ies)|trackback|respond"
ELSEWHERE = r"related|recommend|read-?(?:more|next)|more-?(?:from|stories|news)|popular|trending|see-?also|you-?may"
FRAME = r"sidebar|side-?bar|footer|header|masthead|widget|supplement"
AUTHOR = r"author-?(?:box|bio|info|desc|card|profile|about)|about-?(?:the-?)?author|saboxplugin|\bbio\b|\bvcard\b"
INTRUSION = r"\balerts?\b|cookie|consent|gdpr|modal|pop-?up|overlay|newsletter|subscri|sign-?up|paywall|community|extra"

_AROUND = re.compile("|".join((NAVIGATION, ADVERTS, SHARING, TALK, ELSEWHERE, FRAME, AUTHOR, INTRUSION)))
_PROSE_AROUND = re.compile("|".join((ADVERTS, SHARING, TALK, ELSEWHERE, AUTHOR, INTRUSION, "footer|sidebar|widget")))
"""Words of parts that hold whole sentences, so that much text with few links does not speak against them."""
_MAYBE_CONTENT = re.compile(r"article|body|content|column|main|mathjax|shadow|\band\b")
_CONTENT = re.compile(r"article|body|content|entry|main|page|post|text|blog|story|recipe|product-?desc")
_LESS = re.compile(
    "|".join(
        (
            ADVERTS,
            SHARING,
            TALK,
            ELSEWHERE,
            INTRUSION,
            r"sidebar|footer|masthead|widget|meta|media|contact|scroll|tags|com-|\bhid(?:e|den)?\b",
        )
    )
)
UNLIKELY_ROLES = frozenset(
    (
        "menu",
        "menubar",
        "complementary",
        "navigation",
        "alert",
        "alertdialog",
        "dialog",
        "banner",
        "contentinfo",
        "search",
    )
)
_BYLINE = re.compile(r"byline|author|dateline|\bdate\b|caption|credit|time|published|copyright")
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def is_hidden(attributes: Attributes) -> bool:
    """Whether a browser would not show the element, or it is marked as not for readers."""
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    return style is not None and _INVISIBLE.search(style) is not None


def _any_word(label: str, says: Callable[[str], bool]) -> bool:
    """Whether `says` holds for a word of `label`; sites share words more than whole labels, so words are cached."""
    return any(map(says, label.split()))


@lru_cache(maxsize=CACHED_WORDS)
def _word_is_around(word: str) -> bool:
    return _AROUND.search(word) is not None


@lru_cache(maxsize=CACHED_WORDS)
def _word_is_less(word: str) -> bool:
    return _LESS.search(word) is not None


def is_around(label: str) -> bool:
    """Whether `label` names what stands around content, and nothing in it speaks for content."""
    return _any_word(label, _word_is_around) and _MAYBE_CONTENT.search(label) is None


def is_prose_around(label: str) -> bool:
    """Whether `label` names a part around content that may hold whole sentences: adverts, comments, notices."""
    return _PROSE_AROUND.search(label) is not None


_SIGNATURE = re.compile(
    r"by-?line|author|date-?line|written-?by|posted-?(?:on|by|in)|(?:post|entry|article|page|content|news|blog)-?_?(?:meta|info|date|tags|footer)|"
    r"pub-?date|publish(?:ed)?-?(?:date|time|on)|time-?stamp|\bdate\b|\bmeta\b|kicker|reading-?time|categor|copyright"
)


@lru_cache(maxsize=CACHED_WORDS)
def is_signature(label: str) -> bool:
    """Whether `label` names who wrote a text, when, and under which heading."""
    return _SIGNATURE.search(label) is not None


@lru_cache(maxsize=CACHED_WORDS)
def is_surely_around(label: str) -> bool:
    """Whether `label` alone decides that a part stands around content, however its text reads."""
    return is_around(label) and is_prose_around(label)


@lru_cache(maxsize=CACHED_WORDS)
def weight(label: str) -> int:
    """25 for words of content, -25 for words of what surrounds it; both may hold."""
    return (25 if _CONTENT.search(label) else 0) - (25 if _any_word(label, _word_is_less) else 0)


_SHARING = re.compile(rf"(?:^|[\s_-])(?:{SHARING})(?:$|[\s_-])")


@lru_cache(maxsize=CACHED_WORDS)
def is_sharing(label: str) -> bool:
    """Whether `label` names a share bar or links to social networks."""
    return _SHARING.search(label) is not None


_LEAD = re.compile(
    r"\blead\b|[-_]lead\b|lead[-_]|teaser|intro|excerpt|summary|stand-?first|\bdek\b|\bdeck\b|sub-?(?:title|head)|abstract|"
    r"perex|chapo|entradilla|bajada|vorspann|preamble|ingress|sommario|copete|anleser"
)


def is_lead(label: str) -> bool:
    """Whether `label` names the paragraph that introduces an article."""
    return _LEAD.search(label) is not None


def is_beside_text(name: str, label: str, attributes: Attributes) -> bool:
    """Whether an element between a heading and the text is neither of them: dates, authors, shares, navigation."""
    if name in ("nav", "footer", "aside", "dialog", "menu", "form", "ul", "ol", "figcaption", "table"):
        return True
    if label and (_LESS.search(label) or _BYLINE.search(label)):
        return True
    return bool(attributes) and attributes.get("role") in UNLIKELY_ROLES


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
