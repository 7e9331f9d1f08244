"""Decisions of Gopher's and C4's rules on the shared pages, beside datatrove's filters given the same words.

The classes of disagreement, and who is right by the papers: docs/decisions/signals.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("datatrove", reason="datatrove is not installed; it comes with the extra bench")
pytest.importorskip("spacy", reason="spaCy is not installed; it comes with the extra bench")
filters = pytest.importorskip("benchmarks.filters", reason="the repository's benchmarks are not on the path")


@pytest.mark.slow
def test_decisions_agree_with_datatrove_on_99_of_100_texts(shared_data: Path) -> None:
    work, peer = filters.texts(shared_data.parent), filters.Datatrove()
    assert len(work) > 400
    mine = filters.decisions(filters.ours_in_english, work)
    with filters.our_words():
        theirs = filters.decisions(peer.decisions, work)
    shares = filters.agreement(mine, theirs)
    assert min(shares.values()) >= 0.99, (shares, filters.disagreements(mine, theirs))
    assert 0.1 < sum(reason is not None for reason in mine["quality"]) / len(work) < 0.9, "both keep and both drop"
