"""What class names, ids, roles, styles and phrases say about a block: the words that sites share.

The words come from reader tools since Readability (2009) and from the names that sites give to their parts. They are
grouped by idea. A label is the class and the id in lower case, separated by a space.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from m3w.pipeline.extract.blocks import Block
from m3w.pipeline.extract.events import Attributes

CACHED_WORDS = 16384
"""About 1 MB in each process."""

NAVIGATION = r"breadcrumb|menu|navbar|toolbar|pager\b|paginat|skip-?link|site-?map"
ADVERTS = r"\bads?[-_]|[-_]ads?\b|\bads?\b|advert|banner|sponsor|promo|taboola|outbrain|skyscraper|dfp|shopping"
SHARING = r"share|sharing|social|addtoany|follow-?us"
TALK = r"comment|disqus|discuss|repl(?:y|ies)|trackback|respond"
ELSEWHERE = r"related|recommend|read-?(?:more|next)|more-?(?:from|stories|news)|popular|trending|see-?also|you-?may"
FRAME = r"sidebar|side-?bar|footer|header|masthead|widget|supplement"
AUTHOR = r"author-?(?:box|bio|info|desc|card|profile|about)|about-?(?:the-?)?author|saboxplugin|\bbio\b|\bvcard\b"
INTRUSION = r"\balerts?\b|cookie|consent|gdpr|modal|pop-?up|overlay|newsletter|subscri|sign-?up|paywall|community|extra"

_BOILERPLATE = re.compile("|".join((NAVIGATION, ADVERTS, SHARING, TALK, ELSEWHERE, FRAME, AUTHOR, INTRUSION)))
_BOILERPLATE_PROSE = re.compile(
    "|".join((ADVERTS, SHARING, TALK, ELSEWHERE, AUTHOR, INTRUSION, "footer|sidebar|widget"))
)
"""Words for boilerplate that may have whole sentences, so that much text with few links does not make it content."""
_MAYBE_CONTENT = re.compile(r"article|body|content|column|main|mathjax|shadow|\band\b")
_CONTENT = re.compile(r"article|body|content|entry|main|page|post|text|blog|story|recipe|product-?desc")
_NEGATIVE = re.compile(
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
    """Whether a browser would not show the element, or it is marked as hidden from readers."""
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    return style is not None and _INVISIBLE.search(style) is not None


def _any_word(label: str, test: Callable[[str], bool]) -> bool:
    """Whether `test` holds for a word of `label`. Words repeat more than whole labels, so tests on words are cached."""
    return any(map(test, label.split()))


@lru_cache(maxsize=CACHED_WORDS)
def _word_is_boilerplate(word: str) -> bool:
    return _BOILERPLATE.search(word) is not None


@lru_cache(maxsize=CACHED_WORDS)
def _word_is_negative(word: str) -> bool:
    return _NEGATIVE.search(word) is not None


def is_boilerplate(label: str) -> bool:
    """Whether `label` names boilerplate and has no word for content."""
    return _any_word(label, _word_is_boilerplate) and _MAYBE_CONTENT.search(label) is None


def is_boilerplate_prose(label: str) -> bool:
    """Whether `label` names boilerplate that may have whole sentences: adverts, comments, notices."""
    return _BOILERPLATE_PROSE.search(label) is not None


_SIGNATURE = re.compile(
    r"by-?line|author|date-?line|written-?by|posted-?(?:on|by|in)|(?:post|entry|article|page|content|news|blog)-?_?(?:meta|info|date|tags|footer)|"
    r"pub-?date|publish(?:ed)?-?(?:date|time|on)|time-?stamp|\bdate\b|\bmeta\b|kicker|reading-?time|categor|copyright"
)


@lru_cache(maxsize=CACHED_WORDS)
def is_signature(label: str) -> bool:
    """Whether `label` names the author, date or category of a text."""
    return _SIGNATURE.search(label) is not None


@lru_cache(maxsize=CACHED_WORDS)
def is_surely_boilerplate(label: str) -> bool:
    """Whether `label` alone decides that a block is boilerplate, whatever its text."""
    return is_boilerplate(label) and is_boilerplate_prose(label)


@lru_cache(maxsize=CACHED_WORDS)
def weight(label: str) -> int:
    """25 for words that name content, -25 for words that name boilerplate; 0 for both."""
    return (25 if _CONTENT.search(label) else 0) - (25 if _any_word(label, _word_is_negative) else 0)


_SHARING = re.compile(rf"(?:^|[\s_-])(?:{SHARING})(?:$|[\s_-])")


@lru_cache(maxsize=CACHED_WORDS)
def is_sharing(label: str) -> bool:
    """Whether `label` names a share bar or links to social networks."""
    return _SHARING.search(label) is not None


_CAPTION = re.compile(
    r"caption|gallery-?text|(?:image|img|photo|pic(?:ture)?|figure)[-_]?(?:desc|text|legend)|\bfig-?text\b|bildunterschrift"
)


@lru_cache(maxsize=CACHED_WORDS)
def is_caption(label: str) -> bool:
    """Whether `label` names the caption of a picture, as WordPress, MediaWiki and many sites do."""
    return _CAPTION.search(label) is not None


_FORMULA_LABEL = re.compile(r"\b(?:latex|tex|mathjax|equation|math)\b|mwe-math|wp-katex|formula")
_FORMULA_ADDRESS = re.compile(r"/math/render/|latex\.php|latex\.codecogs|/mathtex|mimetex|/cgi-bin/tex|chart\?cht=tx")
_DISPLAY_STYLE = re.compile(r"\{\\(?:displaystyle|textstyle)\s*(.*)\}", re.DOTALL)
LONGEST_FORMULA = 1000
"""Characters."""


def formula(attributes: Attributes) -> str | None:
    """The text of a picture that shows a formula: its alternative text, between $ where that is LaTeX; else None."""
    alt = " ".join((attributes.get("alt") or "").split())
    if not alt or len(alt) > LONGEST_FORMULA:
        return None
    label = (attributes.get("class") or "").lower()
    if not _FORMULA_LABEL.search(label) and not _FORMULA_ADDRESS.search(attributes.get("src") or ""):
        return None
    styled = _DISPLAY_STYLE.fullmatch(alt)
    alt = styled[1].strip() if styled else alt
    return alt if alt.startswith("$") or not any(sign in alt for sign in "\\^_=") else f"${alt}$"


ANCHORS = frozenset(("¶", "#", "§", "^", "↑", "↩", "🔗"))
"""Texts of links within the page that stand beside headings and references, for the mouse alone."""

_LEAD = re.compile(
    r"\blead\b|[-_]lead\b|lead[-_]|teaser|intro|excerpt|summary|stand-?first|\bdek\b|\bdeck\b|sub-?(?:title|head)|abstract|"
    r"perex|chapo|entradilla|bajada|vorspann|preamble|ingress|sommario|copete|anleser"
)


def is_lead(label: str) -> bool:
    """Whether `label` names the paragraph that introduces an article."""
    return _LEAD.search(label) is not None


def is_beside_text(name: str, label: str, attributes: Attributes) -> bool:
    """Whether an element between the heading and the text belongs to neither: date, author, share bar, navigation."""
    if name in ("nav", "footer", "aside", "dialog", "menu", "form", "ul", "ol", "figcaption", "table"):
        return True
    if label and (_NEGATIVE.search(label) or _BYLINE.search(label)):
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
"""Characters of a line that links to another page."""
_SHORT_BLOCKS = frozenset(("p", "div", "blockquote", "h2", "h3", "h4", "h5", "h6", "li", "section"))


def links_elsewhere(block: Block) -> bool:
    """Whether a short block, mostly a link, begins with a phrase like "read also", in the languages of the web."""
    if (
        block.name not in _SHORT_BLOCKS
        or block.chars > MOST_CHARACTERS
        or block.linked < block.chars * 0.5
        or block.images
    ):
        return False
    first = next((item for item in block.items if isinstance(item, str)), "")
    return _READ_ALSO.match(first) is not None
