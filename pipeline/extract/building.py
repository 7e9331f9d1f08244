"""Events to blocks in one pass, linear in the number of events."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from m3w.pipeline.extract.blocks import Block, Page, Picture, Video, label_of
from m3w.pipeline.extract.events import Attributes
from m3w.pipeline.extract.vocabulary import (
    ANCHORS,
    UNLIKELY_ROLES,
    formula,
    is_boilerplate,
    is_caption,
    is_hidden,
    is_surely_boilerplate,
)

# fmt: off
INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "body", "cite", "code", "data", "del", "dfn", "em", "font",
    "head", "html", "i", "ins", "kbd", "label", "mark", "math", "mfrac", "mi", "mn", "mo", "mover", "mrow", "msqrt",
    "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "nobr", "noindex",
    "picture", "q", "rb", "ruby", "s", "samp", "semantics", "small", "span", "strike", "strong", "sub", "sup", "time",
    "tt", "u", "var", "wbr",
))
"""Elements that do not start a new line, and those around every page."""
MUTE = frozenset((
    "amp-iframe", "annotation", "annotation-xml", "audio", "button", "iframe", "noscript", "object", "rp", "rt",
    "video",
))
"""Elements whose text is not part of the page: ruby annotations, content for old browsers, labels of controls."""
VOID = frozenset((
    "amp-anim", "amp-img", "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param",
    "source", "track",
))
# fmt: on
_PLAYERS = frozenset(("video", "iframe", "embed", "amp-iframe", "amp-youtube", "amp-video", "amp-vimeo", "object"))
_Start = Callable[["PageBuilder", str, Attributes], bool | None]
IN_PAGE = 0.3
"""What a character of a link within the page counts for, of a character of any other link."""
_BREAK = "\0"
"""Stands for `<br>` in pending text; the parser lets no NUL through."""
WIDE = 2
"""Letters that a character counts for in scripts that write a syllable or word with one character."""
_BLANK_LINES = re.compile(r"\n{2,}")
_COMMAS = (",", "、", "，", "،", "；")


class PageBuilder:
    """A `Receiver` that builds a `Page`; hidden blocks are not part of it."""

    def __init__(self, left_out: frozenset[str] = frozenset(), brief: bool = False) -> None:
        """`left_out` names the block elements to leave out with all their content.

        `brief` also leaves out blocks whose label or role names boilerplate.
        """
        self._left_out = left_out
        self._brief = brief
        self.shortened = False
        """Whether `brief` left anything out."""
        root = Block("html", {}, "", None, 0)
        self.page = Page([root])
        self._block = root
        self._pieces: list[str] = []
        self._linked = 0.0
        self._links: list[str | None] = []
        self._link_weight = 0.0
        self._sources: list[Attributes] = []
        self._mute = 0
        self._noscript = 0
        self._pre = 0
        self._in_title = False
        self._pictures = 0
        self._figures: list[int] = []
        """Number of pictures before each open `figure`."""

    def start(self, name: str, attributes: Attributes) -> bool | None:
        handler = _STARTS.get(name)
        return self._start_block(name, attributes) if handler is None else handler(self, name, attributes)

    def end(self, name: str) -> None:
        handler = _ENDS.get(name)
        if handler is None:
            self._end_block(name)
        elif handler is not _PASS:
            handler(self, name)

    def text(self, text: str) -> None:
        if self._mute:
            if self._in_title:
                self.page.title = (self.page.title or "") + text
        elif self._pieces or self._pre or not text.isspace():
            if self._link_weight == IN_PAGE and text.strip() in ANCHORS:
                return
            self._pieces.append(text)
            if self._link_weight:
                self._linked += len(text) * self._link_weight

    def finish(self) -> Page:
        """The page, after the last event. Free it by `Page.release`."""
        self._flush()
        self.page.blocks[0].end = len(self.page.blocks)
        return self.page

    def _flush(self) -> None:
        """Add the pending text to the open block as one item, with white space as a browser shows it."""
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        linked, self._linked = self._linked, 0.0
        if self._pre:
            text = text.replace(_BREAK, "\n").strip("\n").rstrip()
        elif _BREAK in text:
            text = "\n".join([" ".join(line.split()) for line in text.split(_BREAK)]).strip("\n")
        else:
            text = " ".join(text.split())
        if not text:
            return
        block = self._block
        if "\n\n" in text and not self._pre:
            block.items += [part for part in _BLANK_LINES.split(text) if part]
        else:
            block.items.append(text)
        size = len(text)
        linked = min(linked, size)
        if text.isascii():
            block.own_commas += text.count(",")
        else:
            block.own_commas += sum(map(text.count, _COMMAS))
            if len(text.encode("utf-8", "surrogatepass")) > 2 * size:  # Han, kana, Hangul, Thai: a character says more
                size, linked = WIDE * size, WIDE * linked
        block.own_chars += size
        block.own_linked += linked

    # blocks

    def _start_block(self, name: str, attributes: Attributes) -> bool:
        if self._pieces:
            self._flush()
        label = label_of(attributes) if attributes else ""
        if name in self._left_out or (attributes and self._is_left_out(name, attributes, label)):
            return True
        blocks, parent = self.page.blocks, self._block
        self._block = block = Block(name, attributes, label, parent, len(blocks))
        blocks.append(block)
        parent.items.append(block)
        if name == "figcaption" or (label and is_caption(label)):
            block.is_caption = True
        if name == "pre":
            self._pre += 1
        elif name == "figure":
            self._figures.append(self._pictures)
        return False

    def _is_left_out(self, name: str, attributes: Attributes, label: str) -> bool:
        if is_hidden(attributes):
            return True
        if not self._brief or name == "article" or self._block.name == "figure":
            return False
        if (label and is_surely_boilerplate(label)) or attributes.get("role") in UNLIKELY_ROLES:
            self.shortened = True
            return True
        return False

    def _end_block(self, name: str) -> None:
        if self._pieces:
            self._flush()
        block = self._block
        parent = block.parent
        if parent is None:
            return
        self._block = parent
        if name == "pre":
            self._pre -= 1
        elif name == "figure" and self._figures.pop() == self._pictures and block.attributes:
            block.items.insert(0, Picture(name, block.attributes))
        if not block.items:
            if "url(" in (block.attributes.get("style") or ""):
                block.items.append(Picture("background", block.attributes, self._links[-1] if self._links else None))
                block.own_images = 1
            elif not block.own_inputs:  # remove an empty block
                self.page.blocks.pop()
                parent.items.pop()
                return
        block.end = len(self.page.blocks)

    # inline elements

    def _ignore(self, name: str, attributes: Attributes) -> None:
        pass

    def _pass(self, name: str) -> None:
        pass

    def _start_link(self, name: str, attributes: Attributes) -> None:
        href = attributes.get("href")
        self._links.append(href)
        self._link_weight = 0.0 if href is None else IN_PAGE if href[:1] == "#" else 1.0
        if "rel" in attributes:
            self.page.links.append(attributes)

    def _end_link(self, name: str) -> None:
        self._links.pop()
        self._link_weight = 0.0

    def _start_span(self, name: str, attributes: Attributes) -> bool:
        if not attributes:
            return False
        label = attributes.get("class")
        return is_hidden(attributes) or (label is not None and is_boilerplate(label.lower()))

    def _line_break(self, name: str, attributes: Attributes) -> None:
        if not self._mute:
            self._pieces.append(_BREAK)

    def _rule(self, name: str, attributes: Attributes) -> None:
        self._flush()

    def _input(self, name: str, attributes: Attributes) -> None:
        if attributes.get("type") != "hidden":
            self._block.own_inputs += 1

    def _time(self, name: str, attributes: Attributes) -> None:
        if "datetime" in attributes:
            self.page.times.append(attributes)

    def _start_mute(self, name: str, attributes: Attributes) -> None:
        self._mute += 1
        self._noscript += name == "noscript"

    def _end_mute(self, name: str) -> None:
        self._mute -= 1
        self._noscript -= name == "noscript"

    # pictures and videos

    def _picture(self, name: str, attributes: Attributes) -> None:
        if not self._mute and (text := formula(attributes)) is not None:
            self._pieces.append(text)
            return
        if self._pieces:
            self._flush()
        link = self._links[-1] if self._links else None
        self._pictures += 1
        picture = Picture(name, attributes, link, self._sources, self._noscript > 0)
        self._block.items.append(picture)
        if not self._noscript:
            self._block.own_images += 1

    def _start_picture(self, name: str, attributes: Attributes) -> None:
        self._sources = []

    def _end_picture(self, name: str) -> None:
        self._sources = []

    def _source(self, name: str, attributes: Attributes) -> None:
        self._sources.append(attributes)

    def _start_player(self, name: str, attributes: Attributes) -> bool:
        self._flush()
        if name in MUTE:
            self._mute += 1
        elif name not in VOID and self._start_block(name, attributes):
            return True
        self._sources = []
        self._block.items.append(Video(name, attributes, self._sources))
        if name == "video" and attributes.get("poster"):
            self._block.items.append(Picture(name, attributes))
        return False

    # metadata of the page

    def _metadata(self, name: str, attributes: Attributes) -> None:
        if name == "meta":
            self.page.meta.append(attributes)
        elif name == "link":
            self.page.links.append(attributes)
        elif name == "base":
            self.page.base = self.page.base or attributes.get("href")
        else:
            self.page.html = attributes

    def _start_title(self, name: str, attributes: Attributes) -> None:
        self._mute += 1
        self._in_title = self.page.title is None

    def _end_title(self, name: str) -> None:
        self._mute -= 1
        self._in_title = False


def _starts() -> Mapping[str, _Start]:
    """The handler of each start tag; all others start a block."""
    builder = PageBuilder
    starts: dict[str, _Start] = dict.fromkeys(INLINE | VOID, builder._ignore)
    starts |= dict.fromkeys(MUTE, builder._start_mute) | dict.fromkeys(_PLAYERS, builder._start_player)
    starts |= dict.fromkeys(("img", "amp-img", "amp-anim"), builder._picture)
    starts |= dict.fromkeys(("meta", "link", "base", "html"), builder._metadata)
    return starts | {
        "a": builder._start_link, "span": builder._start_span, "br": builder._line_break, "hr": builder._rule,
        "picture": builder._start_picture, "source": builder._source, "title": builder._start_title,
        "input": builder._input, "time": builder._time,
    }  # fmt: skip


def _ends() -> Mapping[str, Callable[[PageBuilder, str], None]]:
    """The handler of each end tag; all others end a block."""
    builder = PageBuilder
    ends = dict.fromkeys(INLINE | VOID, builder._pass) | dict.fromkeys(MUTE, builder._end_mute)
    return ends | {
        "a": builder._end_link, "picture": builder._end_picture, "title": builder._end_title
    }  # fmt: skip


_STARTS = _starts()
_ENDS = _ends()
_PASS = PageBuilder._pass
