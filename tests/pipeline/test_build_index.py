"""`m3w build` with pages chosen by an index, as a whole, on Ray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from m3w.pipeline.build import build
from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.pipeline.engine.run import Run
from m3w.pipeline.inspect.status import run_status
from m3w.pipeline.recipe import parse_recipe
from m3w.recipes.errors import InputError

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def write_index(crawl: Path, index: Path) -> None:
    """CDXJ of every response, as pywb writes it."""
    with index.open("w") as file:
        for path in sorted(crawl.iterdir()):
            for item in read_archive(str(path), max_block_bytes=2**24):
                if isinstance(item, WarcRecord) and item.kind == "response":
                    said = {"url": item.url, "mime": item.mime, "status": str(item.status), "filename": path.name}
                    place = {"offset": str(item.offset), "length": str(item.length)}
                    file.write(f"- {item.crawled_at:%Y%m%d%H%M%S} {json.dumps(said | place)}\n")


def documents(run: Path) -> list[str]:
    """All rows of the dataset, in no order: the parts of an index are not those of files."""
    return sorted(
        repr(row) for path in (run / "dataset/documents").iterdir() for row in pq.read_table(path).to_pylist()
    )


def test_an_index_of_all_pages_builds_the_dataset_of_the_files(tmp_path: Path) -> None:
    crawl = tmp_path / "crawl"
    crawl.mkdir()
    write_demo_crawl(crawl)
    for path in sorted(crawl.iterdir())[1:]:
        path.unlink()
    write_index(crawl, crawl / "index.cdxj")
    whole: dict[str, Any] = {"crawl": {"paths": [f"{crawl}/*.warc.gz"], "part_mib": 1}}
    where = {"mimes": [], "statuses": []}
    index = {"paths": [f"{crawl}/index.cdxj"], "pages_per_part": 40, "where": where}
    build(parse_recipe(whole, "-"), str(tmp_path / "whole"))
    build(parse_recipe({"crawl": {"index": index}}, "-"), str(tmp_path / "chosen"))
    expected = documents(tmp_path / "whole")
    assert len(expected) > 20
    assert documents(tmp_path / "chosen") == expected
    run = Run.open(str(tmp_path / "chosen"))
    stages = {stage.stage: stage for stage in run_status(run).stages}
    assert stages["select"].done == stages["selected"].done == 1
    assert stages["extract"].done == len(run.entries("extract")) > 1 and stages["extract"].left == 0
    nothing = {**index, "where": {"tlds": ["nowhere"]}}
    with pytest.raises(InputError, match="selects none of the"):
        build(parse_recipe({"crawl": {"index": nothing}}, "-"), str(tmp_path / "nothing"))
