import random

import torch

from m3w.model.phi import next_image, previous_image
from m3w.trainer.data.windows import (
    BETWEEN_TEXTS,
    IGNORED,
    SpecialTokens,
    cut_window,
    draw_window,
    tokenize_nodes,
)

IMAGE, EOC, EOS, BOS = 1, 2, 3, 4
SPECIAL = SpecialTokens(image=IMAGE, end_of_chunk=EOC, end_of_text=EOS)


def letters(text: str) -> list[int]:
    """A token for each character, all above the special ones."""
    return [ord(letter) for letter in text]


def tags(positions: list[int], length: int) -> torch.Tensor:
    """One row with image tags at `positions`."""
    return torch.tensor([[position in positions for position in range(length)]])


def test_end_of_chunk_stands_before_every_image_and_before_the_end():
    ids = tokenize_nodes(["a", None, "b", None, "c"], letters, SPECIAL)
    assert ids == [97, EOC, IMAGE, 98, EOC, IMAGE, 99, EOC, EOS]


def test_a_tokenizer_with_a_beginning_of_text_puts_it_first():
    special = SpecialTokens(image=IMAGE, end_of_chunk=EOC, end_of_text=EOS, beginning_of_text=BOS)
    assert tokenize_nodes([None, "a"], letters, special) == [BOS, EOC, IMAGE, 97, EOC, EOS]


def test_a_sequence_whose_document_goes_on_does_not_end_it():
    assert tokenize_nodes([None, "a"], letters, SPECIAL, ends=False) == [EOC, IMAGE, 97]


def test_two_texts_in_a_row_are_kept_apart_and_a_text_after_an_image_is_as_it_is():
    ids = tokenize_nodes(["a", "b", None, "c"], letters, SPECIAL)
    assert ids == [97, *letters(BETWEEN_TEXTS), 98, EOC, IMAGE, 99, EOC, EOS]


def test_previous_names_the_last_tag_and_nothing_before_the_first():
    assert previous_image(tags([2, 5], 8))[0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2]


def test_next_names_the_coming_tag_and_nothing_after_the_last():
    assert next_image(tags([2, 5], 8))[0].tolist() == [1, 1, 1, 2, 2, 2, 0, 0]


def test_adjacent_tags_attend_to_themselves_either_way():
    assert previous_image(tags([0, 1], 3))[0].tolist() == [1, 2, 2]
    assert next_image(tags([0, 1], 3))[0].tolist() == [1, 2, 0]


def test_there_is_no_loss_on_image_tags_and_there_is_on_all_text():
    ids = tokenize_nodes(["a", None, "b"], letters, SPECIAL)
    window = cut_window(ids, SPECIAL, start=0, tokens=20, images=5, attend_next=False)
    assert window.labels == [97, EOC, IGNORED, 98, EOC, EOS]
    assert window.input_ids == ids


def test_a_window_in_the_middle_shows_the_images_of_its_tags_only():
    ids = [10, EOC, IMAGE, 11, EOC, IMAGE, 12, EOC, IMAGE, 13]
    window = cut_window(ids, SPECIAL, start=3, tokens=5, images=5, attend_next=False)
    assert window.input_ids == [11, EOC, IMAGE, 12, EOC]
    assert window.images == range(1, 2)
    assert window.phi == [0, 0, 1, 1, 1]


def test_a_window_ends_before_the_first_image_too_many():
    ids = [IMAGE, 10, IMAGE, 11, IMAGE, 12]
    window = cut_window(ids, SPECIAL, start=0, tokens=6, images=2, attend_next=True)
    assert window.input_ids == [IMAGE, 10, IMAGE, 11]
    assert window.images == range(0, 2)
    assert window.phi == [1, 2, 2, 0]


def test_a_short_sequence_is_its_own_window():
    window = draw_window([10, 11], SPECIAL, random.Random(0), tokens=256)
    assert window.input_ids == [10, 11]
    assert window.images == range(0, 0)


def test_windows_of_a_long_sequence_start_everywhere():
    ids = list(range(10, 20))
    starts = {draw_window(ids, SPECIAL, random.Random(seed), tokens=4).input_ids[0] for seed in range(200)}
    assert starts == set(range(10, 17))


def test_p_next_is_drawn_for_the_whole_window():
    ids = [10, IMAGE, 11, IMAGE, 12]
    drawn = [tuple(draw_window(ids, SPECIAL, random.Random(seed), p_next=0.5).phi) for seed in range(400)]
    assert set(drawn) == {(0, 1, 1, 2, 2), (1, 1, 2, 2, 0)}
    assert 150 < drawn.count((1, 1, 2, 2, 0)) < 250
    assert all(draw_window(ids, SPECIAL, random.Random(s), p_next=0.0).phi[0] == 0 for s in range(50))


def test_windows_can_start_at_the_images():
    ids = tokenize_nodes(["ab", None, "cd", None, "e"], letters, SPECIAL)
    drawn = [draw_window(ids, SPECIAL, random.Random(seed), tokens=4, start_at_image=True) for seed in range(40)]
    assert {tuple(window.input_ids) for window in drawn} == {(EOC, IMAGE, 99, 100), (EOC, IMAGE, 101, EOC)}
    assert {window.images for window in drawn} == {range(0, 1), range(1, 2)}
