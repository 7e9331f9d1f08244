"""`srcset`: addresses with commas, descriptors of both kinds, the candidate that is taken."""

from __future__ import annotations

from m3w.pipeline.extract.urls import best, candidates


def test_widths_and_densities() -> None:
    assert candidates("a.jpg 320w, b.jpg 640w") == [("a.jpg", 320), ("b.jpg", 640)]
    assert candidates("a.jpg, b.jpg 1.5x") == [("a.jpg", 1000), ("b.jpg", 1500)]


def test_commas_inside_an_address_belong_to_it() -> None:
    assert candidates("/w_1,h_2/a.jpg 1x, /w_2,h_4/a.jpg 2x") == [("/w_1,h_2/a.jpg", 1000), ("/w_2,h_4/a.jpg", 2000)]


def test_a_comma_right_after_an_address_ends_it() -> None:
    assert [address for address, _ in candidates("a.jpg, b.jpg,")] == ["a.jpg", "b.jpg"]


def test_candidates_may_follow_without_a_space() -> None:
    assert candidates("a.jpg 600w,b.jpg 1024w") == [("a.jpg", 600), ("b.jpg", 1024)]


def test_the_smallest_that_is_large_enough_is_taken() -> None:
    assert best("a 100w, b 2000w, c 600w") == "c"
    assert best("a 100w, b 200w") == "b"
    assert best("one 1x, two 2x") == "one"


def test_nothing_usable() -> None:
    assert best("") is None
    assert best(" , ,") is None
    assert best("data:image/gif;base64,AAAA 1x") is None


def test_unreadable_descriptors_come_last() -> None:
    assert best("a wide, b 300w") == "b"
