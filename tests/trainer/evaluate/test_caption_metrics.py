"""Caption metrics give the published scores, and words are what the COCO evaluation takes for words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from m3w.trainer.evaluate.metrics.captions import bleu, cider, common_length, meteor, rouge_l, tokenise, why_no_meteor


@pytest.fixture(scope="module")
def published(shared_data: Path) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    """Candidates, references and scores of 1,000 COCO images, already tokenised."""
    folder = shared_data / "captions"
    scores = json.loads((folder / "REFERENCE_SCORES.json").read_text())
    (known,) = [values for name, values in scores.items() if name.startswith("CaptionMetrics")]
    files = folder / "CaptionMetrics" / "examples"
    candidates, references = (json.loads((files / name).read_text()) for name in ("res.json", "gts.json"))
    return [candidates[key][0] for key in references], list(references.values()), known


def test_published_scores_come_out_to_1e_6(published: tuple[list[str], list[list[str]], dict[str, Any]]) -> None:
    candidates, references, known = published
    assert bleu(candidates, references) == pytest.approx([known[f"Bleu_{n}"] for n in (1, 2, 3, 4)], abs=1e-6)
    assert cider(candidates, references)[0] == pytest.approx(known["CIDEr"], abs=1e-6)
    assert rouge_l(candidates, references)[0] == pytest.approx(known["ROUGE_L"], abs=1e-6)


@pytest.mark.slow
def test_meteor_is_the_published_one(published: tuple[list[str], list[list[str]], dict[str, Any]]) -> None:
    if (missing := why_no_meteor()) is not None:
        pytest.skip(missing)
    candidates, references, known = published
    assert meteor(candidates, references) == pytest.approx(known["METEOR"], abs=1e-6)


def test_a_caption_that_is_its_reference_scores_highest() -> None:
    references = [["a dog runs on the beach"], ["two red apples lie there"]]
    best, each = cider([others[0] for others in references], references)
    assert best == pytest.approx(10.0) and each == pytest.approx([10.0, 10.0])
    assert bleu([others[0] for others in references], references)[3] == pytest.approx(1.0)
    assert cider(["x", "y"], references)[0] == 0.0


def test_an_empty_caption_scores_nothing_and_breaks_nothing() -> None:
    assert rouge_l([""], [["a dog"]])[0] == 0.0
    assert cider([""], [["a dog"]])[0] == 0.0
    assert bleu([""], [["a dog"]])[0] < 1e-6


def test_the_longest_common_subsequence_may_have_gaps() -> None:
    assert common_length(["a", "b", "c", "d", "e"], ["a", "x", "c", "e", "y"]) == 3
    assert common_length([], ["a"]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's dog doesn't like the (big) ball.", "a man 's dog does n't like the -lrb- big -rrb- ball"),
        ("It's 3:30 p.m., 1,000 people & 50% off $5.99.", "it 's 3:30 p.m. 1,000 people & 50 % off $ 5.99"),
        ("Mr. Smith isn't in the U.S. -- what?!", "mr. smith is n't in the u.s. what ?!"),
        ("cannot gonna 'tis the '90s rock 'n' roll", "can not gon na 't is the '90s rock 'n' roll"),
        ('A black-and-white photo, a 3-year-old\'s "toy"', "a black-and-white photo a 3-year-old 's toy"),
        ("The students' 4x4's and 7-Eleven: cats,and birds", "the students 4x4 's and 7-eleven cats and birds"),
        ("O'Brien’s “toys” – nice… http://x.org/a?b=1 now", "o'brien 's toys nice http://x.org/a?b=1 now"),
    ],
)
def test_captions_are_split_as_the_penn_treebank_is(text: str, words: str) -> None:
    """The right column is what Stanford's tokenizer gave (Java, stanford-corenlp-3.4.1), marks left out."""
    assert tokenise(text) == words
