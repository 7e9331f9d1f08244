"""Labels of which images of WCXB's pages are content: how many there are, and how far two readers agree.

    python -m benchmarks.image_labels

`labels/wcxb_images.json` covers 330 pages of the development split that the shared labels do not cover. It holds the
addresses of each content image (its copies' included) and of those that the reader was unsure of (`neutral`), in the
format of the shared `labels.json`. `labels/wcxb_images_again.json` holds 55 of these pages as a second reader labelled
them, without knowing the first one's labels. Both read the listings of the shared `list_images.py`, page by page, and
followed the shared guide. Readers were language models, so their errors may be alike.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "labels"
Labels = dict[str, dict[str, list[list[str]]]]


def read(name: str) -> Labels:
    labels: Labels = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return labels


def agreement(first: Labels, second: Labels) -> Counter[str]:
    """Of the images that one reader kept: whether the other `kept` them, was `unsure` of them, or `left_out` them."""
    counts: Counter[str] = Counter()
    for page in first.keys() & second.keys():
        for one, other in ((first[page], second[page]), (second[page], first[page])):
            kept = {url for urls in other["content"] for url in urls}
            unsure = {url for urls in other["neutral"] for url in urls}
            for urls in one["content"]:
                counts["kept" if kept & {*urls} else "unsure" if unsure & {*urls} else "left_out"] += 1
    return counts


def main() -> None:
    first, second = read("wcxb_images.json"), read("wcxb_images_again.json")
    counts = agreement(first, second)
    total = counts.total()
    figures: dict[str, Any] = {
        "pages": len(first),
        "content_images": sum(len(page["content"]) for page in first.values()),
        "pages_labelled_twice": len(second),
        **{f"other_reader_{name}": round(counts[name] / total, 3) for name in ("kept", "unsure", "left_out")},
    }
    for name, value in figures.items():
        print(f"{name:<24} {value}")
    print(
        json.dumps(
            {
                "bench": "image_labels",
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "machine": platform.machine(),
                "figures": figures,
            }
        )
    )


if __name__ == "__main__":
    main()
