"""Supports, orders and prompts are what the paper says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from m3w.recipes.errors import InputError
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.evaluate.answers import cut_at_stop
from m3w.trainer.evaluate.inputs import answer_ids, write_prompt
from m3w.trainer.evaluate.supports import Supports, draw, permutations
from m3w.trainer.evaluate.task import Task, load_task
from m3w.trainer.evaluate.tasks.source import Example, Media

CAPTIONS: Task = load_task("coco")


def example(number: int, answer: str = "a cat") -> Example:
    return Example(key=str(number), media=Media(path=f"{number}.jpg"), fields={}, references=(answer,), answer=answer)


EXAMPLES = [example(number) for number in range(30)]


def keys(examples: list[Example]) -> list[str]:
    return [each.key for each in examples]


def test_a_prompt_has_each_support_with_its_picture_and_the_query_open() -> None:
    prompt = write_prompt(CAPTIONS, example(9), [example(1, "a dog"), example(2, "two cats")])
    assert prompt.to_text() == "<image>Output: a dog<|endofchunk|><image>Output: two cats<|endofchunk|><image>Output:"
    assert [media.path for media in prompt.media] == ["1.jpg", "2.jpg", "9.jpg"]


def test_a_prompt_without_shots_has_exemplars_of_text_alone() -> None:
    prompt = write_prompt(CAPTIONS, example(9), [example(1, "a dog"), example(2, "two cats")], text_only=True)
    assert prompt.to_text() == "Output: a dog<|endofchunk|>Output: two cats<|endofchunk|><image>Output:"
    assert [media.path for media in prompt.media] == ["9.jpg"]


def test_a_prompt_may_start_as_pages_do_and_a_caption_cannot_bring_an_image() -> None:
    prompt = write_prompt(CAPTIONS, example(9), [example(1, "an <image>")], starts_with_end_of_chunk=True)
    special = SpecialTokens(image=1000, end_of_chunk=1001, end_of_text=1002, beginning_of_text=1003)
    ids = prompt.encode(lambda text: list(text.encode()), special)
    assert ids[:3] == [1003, 1001, 1000] and ids.count(1000) == 2 and ids.count(1001) == 2
    assert prompt.to_text().startswith("<|endofchunk|><image>Output: an <image><|endofchunk|>")


def test_an_answer_is_tokenised_where_it_stands() -> None:
    """This tokenizer marks every text's beginning, as sentencepiece does."""

    def marking(text: str) -> list[int]:
        return [1, *text.encode()]

    assert answer_ids("Output:", " cat", marking) == list(b" cat")


def test_the_draw_is_the_seeds_and_never_more_than_asked() -> None:
    assert keys(draw(EXAMPLES, 8, 1)) == keys(draw(EXAMPLES, 8, 1)) != keys(draw(EXAMPLES, 8, 2))
    assert len(draw(EXAMPLES, 8, 1)) == 8 and draw(EXAMPLES, 99, 1) == EXAMPLES == draw(EXAMPLES, None, 1)


def test_a_query_is_never_shown_its_own_picture() -> None:
    supports = Supports(EXAMPLES, seed=0)
    for query in EXAMPLES:
        assert query.key not in keys(supports.choose(query, 29))
    assert len(supports.choose(EXAMPLES[0], 40)) == 29


def test_random_supports_differ_by_query_and_seed_alone() -> None:
    one, other = Supports(EXAMPLES, seed=0), Supports(EXAMPLES, seed=1)
    assert keys(one.choose(example(100), 4)) == keys(one.choose(example(100), 4))
    assert keys(one.choose(example(100), 4)) != keys(one.choose(example(101), 4))
    assert keys(one.choose(example(100), 4)) != keys(other.choose(example(100), 4))


def test_rices_puts_the_most_similar_last_and_leaves_out_what_cannot_be_read() -> None:
    angles = torch.tensor([0.0, 0.5, 1.0, 1.5, 0.1])
    features = torch.stack((angles.cos(), angles.sin()), dim=1)
    features[4] = torch.nan
    supports = Supports(EXAMPLES[:5], seed=0, features_PV=features)
    query_feature = F.normalize(torch.tensor([1.0, 0.05]), dim=0)
    assert keys(supports.choose(example(100), 3, query_feature)) == ["2", "1", "0"]
    assert keys(supports.choose(example(100), 9, query_feature)) == ["3", "2", "1", "0"]


def test_orders_are_different_and_begin_with_the_given_one() -> None:
    shots = EXAMPLES[:4]
    shuffled = permutations(shots, 6, "seed")
    assert len({tuple(keys(order)) for order in shuffled}) == 6 and shuffled[0] == shots
    assert all(sorted(keys(order)) == sorted(keys(shots)) for order in shuffled)
    assert len(permutations(EXAMPLES[:2], 6, "seed")) == 2 and permutations([], 6, "seed") == [[]]


def test_a_prompt_that_asks_for_an_absent_field_names_it() -> None:
    task = load_task("coco", {"prompt": "Question: {question}"})
    with pytest.raises(InputError, match=r"KeyError: 'question'.*its fields are none"):
        write_prompt(task, example(1), [])


def test_an_answer_ends_before_the_first_text_that_ends_it() -> None:
    assert (
        cut_at_stop(" a cat. It sleeps, Question: x", ("Question", ".")) == " a cat"
        and cut_at_stop("a cat", (".",)) == "a cat"
    )


def test_a_task_of_ones_own_is_a_yaml_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("about: mine\nreader: table\nprompt: 'Say:'\nform: open\nmetrics: [exact_match]\n")
    assert load_task(str(path)).prompt == "Say:"
