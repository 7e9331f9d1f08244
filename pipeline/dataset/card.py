"""The dataset card: `README.md` beside `dataset.json`, with the front matter that Hugging Face reads."""

from __future__ import annotations

import yaml

from m3w.pipeline.dataset.card_loading import loading
from m3w.pipeline.dataset.card_rights import rights
from m3w.pipeline.recipe import Recipe
from m3w.schemas.manifest import Manifest


def dataset_card(manifest: Manifest, recipe: Recipe) -> str:
    """Markdown; a function of the manifest and the recipe alone."""
    split = next(iter(manifest.splits), "train")
    parts = [_front_matter(manifest, recipe), _body(manifest, recipe), loading(split), _rules(recipe)]
    return "\n".join([*parts, "", rights(manifest, recipe)])


def _front_matter(manifest: Manifest, recipe: Recipe) -> str:
    data_files = {
        kind: [{"split": split, "path": f"{kind}/{split}-*.{suffix}"} for split in manifest.splits]
        for kind, suffix in (("documents", "parquet"), ("sequences", "tar"))
    }
    fields = {
        "pretty_name": recipe.dataset.name,
        "license": "other",
        "license_name": "rights-of-the-pages-owners",
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
        f"{manifest.m3w_version}. Each document names its page (`url`) and its place in the crawl (`warc_path`, "
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


def _rules(recipe: Recipe) -> str:
    languages = ", ".join(recipe.rules.languages) or "any"
    lines = ["## What was kept", "", f"Languages: {languages}.", "", "| rule | on | signal | least | most |"]
    lines.append("| --- | --- | --- | ---: | ---: |")
    for kind, rules in (("documents", recipe.rules.document), ("images", recipe.rules.image)):
        for name, rule in rules.items():
            lowest, highest = (f"{bound:g}" if bound is not None else "" for bound in (rule.min, rule.max))
            lines.append(f"| {name} | {kind} | {rule.signal or name} | {lowest} | {highest} |")
    return "\n".join([*lines, "", "How many pages and images each step took is in `dataset.json` under `counts`."])
