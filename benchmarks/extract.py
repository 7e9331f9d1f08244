"""Extraction against trafilatura and Resiliparse: quality by the shared scorer, speed, and decoding by encoding.

    python -m benchmarks.extract [--rounds N] [--data ../shared]

Quality is scored by `tools/score_extraction.py` of the shared folder. Speed: each round times every system on every
page, one after the other, so that a busy machine slows all of them; ratios are medians of the rounds' ratios.
Decoding: each file of `data/encodings/chardet` is read without a declaration and compared with its true encoding.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from benchmarks.command import options_parser, print_figures, require_data
from m3w.pipeline.extract.decode import decode

PEERS = ("trafilatura", "resiliparse")
COLUMNS = ("text F1", "image F1", "order", "snippets")
PUBLISHED = {"OBELICS": (0.787, 0.159, 1.0, 0.666)}
"""Measured with the same judge on the same pages; OBELICS' extractor does not run on Python 3.11 as published."""
SAME_TEXT = 0.995
"""Share of equal characters from which a text is decoded right: encodings differ in a few signs that both can mean."""
_CODEC_OF_FOLDER = {
    "MacCyrillic": "mac-cyrillic", "MacRoman": "mac-roman", "TIS-620": "cp874", "GB2312": "gb18030",
    "SHIFT_JIS": "cp932", "EUC-KR": "cp949", "Big5": "big5hkscs",
}  # fmt: skip

System = Callable[[bytes, str], tuple[str, list[str]]]


def judge(shared: Path) -> ModuleType:
    """The shared judge, as a module."""
    spec = importlib.util.spec_from_file_location("score_extraction", shared / "tools" / "score_extraction.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def codec_of(folder: str) -> str:
    """The Python codec of a folder of `encodings/chardet/tests`, which are called `windows-1250-czech` and the like."""
    for language in ("arabic", "bulgarian", "croatian", "czech", "greek", "hebrew", "hungarian"):
        folder = folder.removesuffix(f"-{language}")
    for language in ("romanian", "russian", "slovak", "slovene", "turkish"):
        folder = folder.removesuffix(f"-{language}")
    return _CODEC_OF_FOLDER.get(folder, folder.lower())


def decoded_right(path: Path, folder: str) -> bool:
    """Whether a file is decoded to the text that it has in its true encoding."""
    html = path.read_bytes()
    decoded = Counter(decode(html)[0])
    wanted = Counter(html.decode(codec_of(folder), "replace").replace("\ufeff", "").replace("\0", ""))
    return (decoded & wanted).total() >= SAME_TEXT * max(decoded.total(), wanted.total())


def decoding(shared: Path) -> dict[str, tuple[int, int]]:
    """`(right, files)` by encoding."""
    table: dict[str, list[bool]] = defaultdict(list)
    for folder in sorted((shared / "data" / "encodings" / "chardet" / "tests").iterdir()):
        table[codec_of(folder.name)] += [decoded_right(path, folder.name) for path in sorted(folder.iterdir())]
    return {name: (sum(right), len(right)) for name, right in sorted(table.items())}


def pages(score: ModuleType) -> list[tuple[bytes, str]]:
    pages = [(html, url) for html, url, *_ in score.approved_pages(score.DATA / "readability")]
    return pages + [(html, url) for html, url, *_ in score.snippet_pages(score.DATA / "trafilatura")]


def seconds(system: System, work: list[tuple[bytes, str]]) -> float:
    start = time.perf_counter()
    for html, url in work:
        system(html, url)
    return time.perf_counter() - start


def main() -> None:
    options = options_parser(__doc__, data=True).parse_args()
    require_data(options.data, "tools")
    score = judge(options.data)
    systems: dict[str, System] = {name: score.SYSTEMS[name]() for name in ("project", *PEERS)}
    quality = {
        name: score.score(system, score.DATA / "readability", score.DATA / "trafilatura")
        for name, system in systems.items()
    }
    work = pages(score)
    rounds = [{name: seconds(system, work) for name, system in systems.items()} for _ in range(options.rounds)]
    figures = {column.lower().replace(" ", "_"): round(quality["project"][column], 4) for column in COLUMNS}
    for peer in PEERS:
        figures[f"ratio_to_{peer}"] = round(statistics.median(time[peer] / time["project"] for time in rounds), 3)
    encodings = decoding(options.data)
    figures["decoded_right"] = round(sum(r for r, _ in encodings.values()) / sum(n for _, n in encodings.values()), 4)
    show(quality, rounds, len(work), encodings)
    print_figures("extract", figures, "one process")


def show(
    quality: dict[str, dict[str, float]],
    rounds: list[dict[str, float]],
    count: int,
    encodings: dict[str, tuple[int, int]],
) -> None:
    print(f"{'system':14s}" + "".join(f"{column:>10s}" for column in (*COLUMNS, "pages/s", "ratio")))
    for name, row in quality.items():
        speed = statistics.median(count / time[name] for time in rounds)
        ratio = statistics.median(time["resiliparse"] / time[name] for time in rounds)
        print(f"{name:14s}" + "".join(f"{row[column]:10.3f}" for column in COLUMNS) + f"{speed:10.0f}{ratio:10.2f}")
    for name, values in PUBLISHED.items():
        print(f"{name:14s}" + "".join(f"{value:10.3f}" for value in values) + "         -         -")
    print("\ndecoded right without a declaration (right/files):")
    cells = [f"{name} {right}/{files}" for name, (right, files) in encodings.items()]
    for start in range(0, len(cells), 6):
        print("  " + "   ".join(cells[start : start + 6]))


if __name__ == "__main__":
    main()
