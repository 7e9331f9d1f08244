"""Statistics on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from m3w.pipeline.inspect import print_statistics, statistics
from m3w.pipeline.inspect.figures import Bin, Distribution
from m3w.pipeline.inspect.wording import bin_label, percent, shown_bins, size


def printed(run: Path) -> str:
    file = io.StringIO()
    print_statistics(statistics(str(run)), Console(file=file, width=80))
    return file.getvalue()


def distribution(edges: list[float], counts: list[int], unit: str = "words", whole: bool = True) -> Distribution:
    highs = [*edges[1:], None]
    return Distribution(
        title="t",
        unit=unit,
        whole=whole,
        count=sum(counts),
        missing=0,
        lowest=0,
        highest=1,
        mean=1,
        percentiles={},
        bins=[Bin(low=low, high=high, count=n) for low, high, n in zip(edges, highs, counts, strict=True)],
    )


def labels(shown: Distribution) -> list[str]:
    return [bin_label(each, shown) for each in shown_bins(shown)]


def test_says_the_funnel_and_the_distributions_in_80_columns(run_folder: Path) -> None:
    # The path of the dataset is the one line that may be longer: it is not broken, so that it can be copied.
    lines = [line.rstrip() for line in printed(run_folder).splitlines() if str(run_folder) not in line]
    assert max(map(len, lines)) <= 80
    words = [line.split() for line in lines]
    assert ["pages", "6", "50.0", "%", "█████████▌"] in words
    assert ["-", "not_html", "1", "8.3", "%", "█▋"] in words
    assert "median 2, mean 2.33, 9 of 10 in 1–4, all in 1–4" in lines


def test_path_of_the_dataset_is_printed_whole(run_folder: Path) -> None:
    assert f"{run_folder}/dataset" in printed(run_folder).splitlines()[0]


def test_nothing_from_the_web_reaches_the_terminal_as_a_control_code(hostile_run: Path) -> None:
    assert "\x1b" not in printed(hostile_run)


def test_bins_are_labelled_as_people_count() -> None:
    assert labels(distribution([0, 1, 2, 10, 20], [1, 1, 1, 1, 1])) == ["0", "1", "2–9", "10–19", "20 or more"]
    assert labels(distribution([0, 1024, 1024 * 1024], [1, 1, 1], "bytes")) == [
        "0–1 KiB",
        "1 KiB–1 MiB",
        "1 MiB or more",
    ]
    assert labels(distribution([1, 1.05, 1.25], [1, 1, 0], "", whole=False)) == ["1–1.05", "1.05–1.25"]


def test_empty_bins_are_cut_at_the_ends_and_put_together_between() -> None:
    assert labels(distribution([0, 1, 2, 3, 4, 5], [0, 2, 0, 0, 1, 0])) == ["1", "2–3", "4"]


def test_a_share_never_reads_as_none_or_all_when_it_is_not() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.5, 0.9996, 1)] == [
        "0.0 %",
        "< 0.1 %",
        "50.0 %",
        "> 99.9 %",
        "100.0 %",
    ]


def test_sizes_are_in_powers_of_1024() -> None:
    assert [size(n) for n in (0, 1023, 1024, 1536, 10 * 1024, 3 * 2**30)] == [
        "0 bytes",
        "1023 bytes",
        "1 KiB",
        "1.5 KiB",
        "10 KiB",
        "3 GiB",
    ]
