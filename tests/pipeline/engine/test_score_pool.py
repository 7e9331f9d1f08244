"""Scorers on a pool of actors, in a build on Ray: each is loaded once, and a death costs one attempt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from m3w.pipeline.build import build
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.engine.run import Run
from m3w.pipeline.recipe import Recipe, parse_recipe
from m3w.recipes.errors import InputError

pytestmark = pytest.mark.ray

SCORER = '''
import os
from pathlib import Path


class Width:
    """Notes each time that it is loaded, and dies once, in the middle of a part."""

    def __init__(self, notes):
        self._notes = Path(notes)
        (self._notes / f"loaded-{os.getpid()}").touch()

    def __call__(self, images):
        if not (self._notes / "died").exists():
            (self._notes / "died").touch()
            os._exit(1)
        return [(image.picture.width,) for image in images]
'''


def recipe(folder: Path, *, actors: int = 2, **sections: Any) -> Recipe:
    scorer = {"class_path": "width_scorer.Width", "options": {"notes": str(folder / "notes")}}
    return parse_recipe(
        {
            "crawl": {"paths": [f"{folder}/crawl/*.warc.gz"]},
            "scores": {"scorers": {"wide": scorer}, "actors": actors, "batch": 5},
            **sections,
        },
        "-",
    )


@pytest.mark.slow
def test_a_build_with_a_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "width_scorer.py").write_text(SCORER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    write_demo_crawl(tmp_path / "crawl")
    run = tmp_path / "run"

    first = build(recipe(tmp_path), str(run))
    parts = Run(str(run)).entries("score")
    assert sorted(entry.attempt for entry in parts.values())[-1] == 2, "one attempt died with its actor"
    assert len(parts) > 2
    assert len(list((tmp_path / "notes").glob("loaded-*"))) == 3, "two actors, and the one that was started again"
    assert first.counts["score"]["images_scored"] >= first.counts["join"]["images"] > 0

    ruled = build(recipe(tmp_path, actors=1, rules={"image": {"narrow": {"signal": "wide", "min": 120}}}), str(run))
    again = Run(str(run)).entries("score")
    assert {name: entry.seconds for name, entry in again.items()} == {n: e.seconds for n, e in parts.items()}
    assert 0 < ruled.counts["join"]["images"] < first.counts["join"]["images"]
    assert ruled.counts["join"]["image_references_dropped.narrow"] > 0
    statuses = set()
    for path in (run / "dataset/documents").glob("*.parquet"):
        for row in pq.read_table(path, columns=["images"]).to_pylist():
            for image in row["images"]:
                if image is not None:
                    statuses.add(image["status"])
                    assert image["status"] != "ok" or image["width"] >= 120
    assert {"ok", "narrow"} <= statuses

    without = {
        name: value for name, value in json.loads(recipe(tmp_path).model_dump_json()).items() if name != "scores"
    }
    build(parse_recipe(without, "-"), str(run))
    assert not Run(str(run)).entries("score"), "what a scorer that is off made is gone"
    assert not list((run / "images/scores").glob("*"))


def test_more_gpus_than_there_are_are_not_waited_for(tmp_path: Path) -> None:
    write_demo_crawl(tmp_path / "crawl")
    scores = {"scorers": {"wide": {"class_path": "pathlib.Path"}}, "gpus": 99}
    wanted = parse_recipe({"crawl": {"paths": [f"{tmp_path}/crawl/*.warc.gz"]}, "scores": scores}, "-")
    with pytest.raises(InputError, match=r"scores\.gpus = 99"):
        build(wanted, str(tmp_path / "run"))
