"""Fetch the offline and the hostile web, and print the results.

    python -m benchmarks.web FOLDER

Keeps the run of the offline web in FOLDER/offline/run, and writes ten of its documents to FOLDER/documents.html: texts
and pictures as the dataset has them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.web.offline import SITES, OfflineWeb, closest_s
from benchmarks.web.runs import build_offline, fetch_hostile, index_rows
from benchmarks.web.server import is_rules
from m3w.pipeline.inspect.examples import example_documents
from m3w.pipeline.inspect.presentation import render, thumbnail_url
from m3w.schemas.dataset import open_dataset

WEB = Path(__file__).parents[3] / "shared/data/web"
DOCUMENTS = 10
STYLE = "body{font:15px/1.5 sans-serif;max-width:42em;margin:2em auto} img{max-width:100%} article{margin-bottom:4em}"


def offline(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with OfflineWeb(WEB) as web:
        built = build_offline(web, folder)
        images = [visit for visit in web.visits if not is_rules(visit.path)]
        disallowed = sum(not web.may_be_asked(visit.host, visit.path) for visit in images)
        twice = sum(count > 1 for count in web.asked().values())
        closest = min(closest_s([visit for visit in web.visits if visit.host == host]) for host in SITES)
    rows = index_rows(folder / "run")
    print(built.output.splitlines()[-1])
    print(f"offline web: {built.seconds:.0f} s, workers' peak {built.worker_peak_mib:.0f} MiB, {len(rows)} image URLs")
    print(f"  disallowed fetches {disallowed}, URLs asked for twice {twice}, closest two requests {closest:.3f} s")
    print(f"  {_statuses(row['status'] for row in rows)}")


def hostile(folder: Path) -> None:
    run = fetch_hostile(folder)
    found = run.fetched
    print(f"hostile web: {len(found.rows)} URLs in {found.seconds:.1f} s, peak {found.peak_mib:.0f} MiB")
    print(f"  connections to the private port {run.private_connections}, other ends than they must {len(run.wrong())}")
    print(f"  {_statuses(row['status'] for row in found.rows)}")


def _statuses(statuses: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(statuses).most_common())


def show_documents(dataset: Path, target: Path) -> None:
    """The documents as one HTML page with their pictures."""
    articles = ""
    for example in example_documents(open_dataset(str(dataset)), DOCUMENTS):
        sources = map(thumbnail_url, example.image_bytes)
        articles += render("documents.html", "document", example.document, sources, "h3")
    target.write_text(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{articles}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    offline(folder / "offline")
    show_documents(folder / "offline/run/dataset", folder / "documents.html")
    hostile(folder / "hostile")


if __name__ == "__main__":
    main()
