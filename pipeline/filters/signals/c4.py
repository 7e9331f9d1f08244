"""The signals of C4 (Raffel et al., arXiv 1910.10683, section 2.2), as numbers of a whole document.

C4 removes lines from pages and then counts sentences. Here the lines stay, and signals named `c4_...` count in the
lines that C4's published code would keep: they end in . ! ? " or ' but not in an ellipsis, have at least three words
and none of over 1,000 characters, and mention neither JavaScript nor a policy on cookies or privacy. Citation marks
such as [1] are removed first. The published code looks for curly brackets in such lines only (`c4_curly_brackets`), the
paper in the whole page (`curly_brackets`).
"""

from __future__ import annotations

import re

from m3w.pipeline.filters.signals.registry import C4, Signal, document_signals, text_node_signals
from m3w.pipeline.filters.signals.text import Text, count_sentences

TERMINAL = (".", "!", "?", '"', "'")
TERMINAL_ANYWHERE = (*TERMINAL, "”", "’", "»", "。", "！", "？", "」", "؟", "।", "۔", "።")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_CITATIONS = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
LONGEST_WORD = 1000
MIN_WORDS = 3


@document_signals(
    Signal("curly_brackets", "{ and }", "signs", C4),
    Signal("c4_curly_brackets", "{ in the lines that C4 keeps", "signs", C4, "as its published code"),
    Signal("lorem_ipsum", '"lorem ipsum", in any case', "times", C4),
    Signal("javascript_line_fraction", '"javascript" in a line, in any case, by lines', "share", C4),
    Signal("terminal_line_fraction", "lines that end in . ! ? or a quotation mark, by lines", "share", C4,
           "the marks of other scripts, too"),
    Signal("c4_sentences", "sentences in the lines that C4 keeps", "sentences", C4),
)  # fmt: skip
@text_node_signals(
    Signal("terminal_line_fraction", "as of documents", "share", C4),
    Signal("curly_brackets", "as of documents", "signs", C4),
    Signal("javascript_line_fraction", "as of documents", "share", C4),
)
def c4(measured: Text) -> dict[str, float]:
    text, lines = measured.text, measured.lines
    lower = text.lower()
    plain = [_CITATIONS.sub("", line) for line in lines] if "[" in text else lines
    ended = [line for line in plain if line.endswith(TERMINAL_ANYWHERE) and not line.endswith(("...", "…"))]
    has_javascript, has_policy = "javascript" in lower, any(policy in lower for policy in POLICIES)
    kept = [line for line in ended if line.endswith(TERMINAL) and len(line.split(None, MIN_WORDS)) >= MIN_WORDS]
    if has_javascript or has_policy:
        kept = [line for line in kept if not _is_notice(line.lower())]
    if measured.words.longest > LONGEST_WORD:
        kept = [line for line in kept if max(map(len, line.split())) <= LONGEST_WORD]
    count = len(lines) or 1
    return {
        "curly_brackets": float(text.count("{") + text.count("}")),
        "c4_curly_brackets": float(sum(line.count("{") for line in kept)) if "{" in text else 0.0,
        "lorem_ipsum": float(lower.count("lorem ipsum")),
        "javascript_line_fraction": sum("javascript" in x.lower() for x in lines) / count if has_javascript else 0.0,
        "terminal_line_fraction": len(ended) / count,
        "c4_sentences": float(count_sentences("\n".join(kept))),
    }


def _is_notice(line: str) -> bool:
    return "javascript" in line or any(policy in line for policy in POLICIES)
