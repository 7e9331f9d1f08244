"""The dataset card: `README.md` beside `dataset.json`, with the front matter that Hugging Face reads."""

from __future__ import annotations

import yaml

from pipeline.recipe import Recipe
from schemas.manifest import Manifest


def dataset_card(manifest: Manifest, recipe: Recipe) -> str:
    """Markdown; a function of the manifest and the recipe alone."""
    return "\n".join([_front_matter(manifest, recipe), _body(manifest, recipe), _loading(manifest), _rules(recipe), ""])


def _front_matter(manifest: Manifest, recipe: Recipe) -> str:
    data_files = {
        kind: [{"split": split, "path": f"{kind}/{split}-*.{suffix}"} for split in manifest.splits]
        for kind, suffix in (("documents", "parquet"), ("sequences", "tar"))
    }
    fields = {
        "pretty_name": recipe.dataset.name,
        "language": recipe.rules.languages or ["multilingual"],
        "task_categories": ["image-text-to-text", "image-to-text"],
        "tags": ["interleaved", "m3w"],
        "configs": [{"config_name": "documents", "data_files": data_files["documents"], "default": True}],
    }
    return "---\n" + yaml.safe_dump(fields, sort_keys=False) + "---\n"


def _body(manifest: Manifest, recipe: Recipe) -> str:
    lines = [
        f"# {recipe.dataset.name}",
        "",
        "Web pages as interleaved documents: texts and images in page order, built from a crawl by m3w "
        f"{manifest.m3w_version}. The images and texts belong to the owners of the pages they were found on; each "
        "document names its page (`url`) and its place in the crawl (`warc_path`, `warc_offset`).",
        "",
        "| split | documents | images | sequences | shards | bytes |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, split in manifest.splits.items():
        documents = sum(shard.documents for shard in split.documents)
        images = sum(shard.images for shard in split.documents)
        samples = sum(shard.samples for shard in split.sequences)
        size = sum(shard.bytes for shard in split.documents) + sum(shard.bytes for shard in split.sequences)
        lines.append(f"| {name} | {documents:,} | {images:,} | {samples:,} | {len(split.documents)} | {size:,} |")
    return "\n".join([*lines, "", "The splits have no host in common.", ""])


def _loading(manifest: Manifest) -> str:
    split = next(iter(manifest.splits), "train")
    return f"""## How to load it

```python
import datasets
documents = datasets.load_dataset("parquet", data_files="documents/{split}-*.parquet", split="train")
```

```python
import glob, webdataset
sequences = webdataset.WebDataset(sorted(glob.glob("sequences/{split}-*.tar")), shardshuffle=False).decode("pil")
```

`texts` and `images` are parallel lists, null in one where the other has a node; `image_bytes` holds the bytes. A
sequence (one tar sample) is a run of a document's nodes with at most five images; `image_positions` says where they
stand, and `0.jpg`, `1.png`, ... are their bytes in that order.
"""


def _rules(recipe: Recipe) -> str:
    languages = ", ".join(recipe.rules.languages) or "any"
    lines = ["## What was kept", "", f"Languages: {languages}.", "", "| rule | on | signal | least | most |"]
    lines.append("| --- | --- | --- | ---: | ---: |")
    for kind, rules in (("documents", recipe.rules.document), ("images", recipe.rules.image)):
        for name, rule in rules.items():
            lowest, highest = (f"{bound:g}" if bound is not None else "" for bound in (rule.min, rule.max))
            lines.append(f"| {name} | {kind} | {rule.signal or name} | {lowest} | {highest} |")
    return "\n".join([*lines, "", "How many pages and images each step took is in `dataset.json` under `counts`."])
