"""`import m3w`: the names that people want first, each loaded when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import m3w
from m3w.pipeline.demo_crawl import write_demo_crawl
from m3w.recipes.errors import InputError

PAGE = "<main><h1>Birds</h1><p>The robin sings all winter long, at night, too.</p><img src=robin.jpg alt=robin></main>"


def test_importing_it_loads_nothing_heavy() -> None:
    script = "import m3w, sys; sys.exit(any(name in sys.modules for name in ('torch', 'ray', 'pyarrow', 'numpy')))"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_it_offers_what_it_names() -> None:
    for name in m3w.__all__:
        assert getattr(m3w, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'train'; it offers Flamingo"):
        m3w.train  # noqa: B018


def test_a_page_becomes_a_document() -> None:
    document = m3w.extract(PAGE, "https://example.org/a/page.html")
    assert isinstance(document, m3w.InterleavedDocument)
    assert [image.url for image in document.images if image] == ["https://example.org/a/robin.jpg"]


@pytest.mark.ray
def test_a_recipe_becomes_a_dataset(tmp_path: Path) -> None:
    write_demo_crawl(tmp_path / "crawl", pages=24)
    (tmp_path / "recipe.yaml").write_text("crawl: {paths: [nothing]}\n")
    recipe, run = str(tmp_path / "recipe.yaml"), str(tmp_path / "run")
    with pytest.raises(InputError, match="crawl"):
        m3w.build(recipe, run)
    manifest = m3w.build(recipe, run, {"crawl.paths": [f"{tmp_path}/crawl/*.warc.gz"], "dataset.name": "birds"})
    assert manifest.counts["assemble"]["documents"] > 5
    assert "# birds" in (tmp_path / "run/dataset/README.md").read_text()
