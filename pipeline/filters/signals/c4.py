"""The signals of C4 (Raffel et al., arXiv 1910.10683, section 2.2), as numbers of a whole document.

C4 takes lines out of pages and then counts sentences; here the lines stay, and what `c4_...` names is counted in those
that C4 would keep, as its published code has it: they end in . ! ? " or ' but not in an ellipsis, hold three words or
more and none of over 1,000 characters, and name neither JavaScript nor a policy on cookies or privacy. Citation marks
such as [1] are taken off before. The published code looks for curly brackets in such lines only, the paper in the whole
page: `c4_curly_brackets` and `curly_brackets`.
"""

from __future__ import annotations

import re

from m3w.pipeline.filters.signals.text import count_sentences

TERMINAL = (".", "!", "?", '"', "'")
TERMINAL_ANYWHERE = (*TERMINAL, "”", "’", "»", "。", "！", "？", "」", "؟", "।", "۔", "።")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_CITATIONS = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
LONGEST_WORD = 1000
MIN_WORDS = 3


def c4(text: str, lines: list[str], longest_word: int) -> dict[str, float]:
    """The signals by name; `longest_word` in characters."""
    lower = text.lower()
    plain = [_CITATIONS.sub("", line) for line in lines] if "[" in text else lines
    ended = [line for line in plain if line.endswith(TERMINAL_ANYWHERE) and not line.endswith(("...", "…"))]
    has_javascript, has_policy = "javascript" in lower, any(policy in lower for policy in POLICIES)
    kept = [line for line in ended if line.endswith(TERMINAL) and len(line.split(None, MIN_WORDS)) >= MIN_WORDS]
    if has_javascript or has_policy:
        kept = [line for line in kept if not _is_notice(line.lower())]
    if longest_word > LONGEST_WORD:
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
