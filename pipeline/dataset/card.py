"""The dataset card: `README.md` beside `dataset.json`, with the front matter that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Iterable
from string import Template

import yaml

from m3w.pipeline.crawl.language_codes import Language
from m3w.pipeline.engine.list_file import NamedFile
from m3w.pipeline.engine.settings import key, settings
from m3w.pipeline.engine.stage import Stage
from m3w.pipeline.filters.rules import Rule
from m3w.schemas.manifest import Manifest

LOADING = Template("""## How to load it

```python
import datasets
documents = datasets.load_dataset("parquet", data_files="documents/$split-*.parquet", split="train")
print(documents[0]["texts"], documents[0]["images"])
```

```python
import duckdb
documents = "read_parquet('documents/$split-*.parquet')"
duckdb.sql(f"SELECT url, language, signals.words, license FROM {documents} LIMIT 10").show()
```

```python
import polars
documents = polars.scan_parquet("documents/$split-*.parquet")
print(documents.select("url", "texts", "images").head(10).collect())
```

```python
import glob, webdataset
sequences = webdataset.WebDataset(sorted(glob.glob("sequences/$split-*.tar")), shardshuffle=False).decode("pil")
print(next(iter(sequences))["json"]["texts"])
```

`texts` and `images` are parallel lists, null in one where the other has a node; `image_bytes` holds the bytes. A
sequence (one tar sample) is a run of a document's nodes with at most five images; `image_positions` says where they
stand, and `0.jpg`, `1.png`, ... are their bytes in that order. m3w trains on it with `data.dataset: THIS FOLDER`;
`m3w export obelics|mmc4|nemo|hf` writes it in the forms of other projects.
""")


@settings
class CardSettings:
    name: str = key("dataset.name")
    languages: list[Language] = key("rules.languages")
    document_rules: dict[str, Rule] = key("rules.document")
    image_rules: dict[str, Rule] = key("rules.image")
    refuse: list[str] = key("consent.refuse")
    tdm: bool = key("consent.tdm")
    opt_out: list[NamedFile] = key("consent.opt_out")
    forbidden: list[NamedFile] = key("images.forbidden")
    source: str = key("fetch.source")
    robots: bool = key("fetch.robots")


def dataset_card(manifest: Manifest, card: CardSettings, stages: Iterable[Stage]) -> str:
    """The card in Markdown; it depends only on the manifest, the recipe and the stages' declarations."""
    split = next(iter(manifest.splits), "train")
    loading = LOADING.substitute(split=split)
    parts = [_front_matter(manifest, card), _body(manifest, card), loading, _rules(card)]
    return "\n".join([*parts, "", _rights(manifest, card, stages)])


def _front_matter(manifest: Manifest, card: CardSettings) -> str:
    data_files = {
        kind: [{"split": split, "path": f"{kind}/{split}-*.{suffix}"} for split in manifest.splits]
        for kind, suffix in (("documents", "parquet"), ("sequences", "tar"))
    }
    fields = {
        "pretty_name": card.name,
        "license": "other",
        "license_name": "rights-of-the-pages-owners",
        "language": card.languages or ["multilingual"],
        "task_categories": ["image-text-to-text", "image-to-text"],
        "tags": ["interleaved", "m3w"],
        "configs": [{"config_name": "documents", "data_files": data_files["documents"], "default": True}],
    }
    return "---\n" + yaml.safe_dump(fields, sort_keys=False) + "---\n"


def _body(manifest: Manifest, card: CardSettings) -> str:
    lines = [
        f"# {card.name}",
        "",
        "Web pages as interleaved documents: texts and images in page order, built from a crawl by m3w "
        f"{manifest.m3w_version}. Each document gives its page (`url`) and its WARC record (`warc_path`, "
        "`warc_offset`).",
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


def _rules(card: CardSettings) -> str:
    languages = ", ".join(card.languages) or "any"
    lines = ["## Rules", "", f"Languages: {languages}.", "", "| rule | applies to | signal | min | max |"]
    lines.append("| --- | --- | --- | ---: | ---: |")
    for kind, rules in (("documents", card.document_rules), ("images", card.image_rules)):
        for name, rule in rules.items():
            lowest, highest = (f"{bound:g}" if bound is not None else "" for bound in (rule.min, rule.max))
            lines.append(f"| {name} | {kind} | {rule.signal or name} | {lowest} | {highest} |")
    counts = "`counts` in `dataset.json` says how many pages and images each stage kept and dropped."
    return "\n".join([*lines, "", counts])


def _rights(manifest: Manifest, card: CardSettings, stages: Iterable[Stage]) -> str:
    """Who owns the contents, and what was left out because an owner refused."""
    refuse = ", ".join(f"`{mark}`" for mark in card.refuse) or "none"
    lines = [
        "## Rights and consent",
        "",
        "The texts and images belong to the owners of the pages; this card grants nothing. `license` holds the URL or "
        "name that a page gives with `rel=license`; null means that the page gives none, and is no permission. "
        "`opt_out` holds the opt-out marks of a page that the recipe did not honour.",
        "",
        f"Opt-out marks honoured: {refuse}; TDM reservations: {'yes' if card.tdm else 'no'}; robots.txt: "
        f"{_robots(card)}; opt-out lists: {len(card.opt_out)}; lists of forbidden images: "
        f"{len(card.forbidden)}.",
        "",
        "| removed | count |",
        "| --- | ---: |",
    ]
    for stage in stages:
        for counter, words in stage.refusals.items():
            lines.append(f"| {words} | {manifest.counts.get(stage.name, {}).get(counter, 0):,} |")
    return "\n".join([*lines, ""])


def _robots(card: CardSettings) -> str:
    if card.source != "web":
        return "nothing was fetched from the web"
    return "obeyed" if card.robots else "not requested"
