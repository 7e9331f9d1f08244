"""What kind of thing a drop is by its reason: a rule, a copy, a status of the fetch, an opt-out, ..."""

from __future__ import annotations

from typing import Literal

from m3w.pipeline.filters.blocklist import ADULT, DOMAIN, MALFORMED, SUBSTRING, WORD

Cause = Literal["rule", "duplicate", "fetch", "opt_out", "block_list", "evaluation", "crawl", "left_over"]

_OF_REASON: dict[str, Cause] = {
    "opted_out": "opt_out",
    **dict.fromkeys((DOMAIN, ADULT, WORD, SUBSTRING, MALFORMED, "forbidden"), "block_list"),
    **dict.fromkeys(("evaluation_text", "in_evaluation_set"), "evaluation"),
    **dict.fromkeys(("no_image_left", "no_text_beside", "only_repeated_text"), "left_over"),
    **dict.fromkeys(("frequent_image", "frequent_url", "repeated_in_document", "repeated_on_site"), "duplicate"),
    **dict.fromkeys(("declared_too_small", "robots_disallowed"), "fetch"),
}
_OF_STAGE: dict[str, Cause] = {
    "extract": "crawl",
    "filter": "rule",
    "deduplicate": "duplicate",
    "unique": "duplicate",
    "requests": "fetch",
    "fetch": "fetch",
    "join": "rule",
}


def cause_of(stage: str, reason: str, fetch_statuses: frozenset[str]) -> Cause:
    """The cause of a drop by `stage` for `reason`; `fetch_statuses` are the reasons of the stage `fetch`.

    What no list knows is taken for what its stage mostly does: a rule's name may be any word.
    """
    if stage == "filter" and reason == "declared_too_small":  # here a rule of that name, on image references
        return "rule"
    if reason in _OF_REASON:
        return _OF_REASON[reason]
    if stage == "join" and reason in fetch_statuses:
        return "fetch"
    return _OF_STAGE.get(stage, "rule")
