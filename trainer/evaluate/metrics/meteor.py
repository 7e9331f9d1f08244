"""METEOR 1.5 (Denkowski and Lavie, 2014), by its authors' Java program in the package pycocoevalcap."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any


def why_no_meteor() -> str | None:
    """What is missing for METEOR here; None if nothing is."""
    if shutil.which("java") is None:
        return "there is no `java` on this machine"
    if find_spec("pycocoevalcap") is None:
        return "the package pycocoevalcap is not installed (pip install 'm3w[eval]')"
    return None


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """METEOR of the corpus, in 0 to 1, of tokenised captions beside their tokenised references.

    Raises RuntimeError where Java or the package is missing: see `why_no_meteor`.
    """
    missing = why_no_meteor()
    if missing is not None:
        raise RuntimeError(f"METEOR cannot be computed: {missing}")
    from pycocoevalcap.meteor.meteor import Meteor

    program: Any = Meteor()
    given = {str(at): list(others) for at, others in enumerate(references)}
    score, _ = program.compute_score(given, {str(at): [caption] for at, caption in enumerate(candidates)})
    return float(score)
