"""The part of the dataset card on whose the contents are, and on what was left out because somebody said no."""

from __future__ import annotations

from m3w.pipeline.recipe import Recipe
from m3w.schemas.manifest import Manifest

REFUSALS = {
    ("filter", "documents_dropped.opted_out"): "pages: refused by their own marks, or on a list",
    (
        "fetch",
        "image_urls_dropped.opted_out",
    ): "images: refused by a header, a TDM reservation or a list",
    ("fetch", "image_urls_dropped.robots_disallowed"): "images: disallowed by robots.txt",
    ("fetch", "image_urls_dropped.robots_unreachable"): "images: the host's robots.txt could not be had",
    ("fetch", "image_urls_dropped.tdm_unreachable"): "images: the host's tdmrep.json could not be had",
    ("fetch", "image_urls_dropped.forbidden"): "images: on a list of forbidden ones",
}
"""Counters of `dataset.json` by stage and name."""


def rights(manifest: Manifest, recipe: Recipe) -> str:
    """Markdown."""
    refuse = ", ".join(f"`{mark}`" for mark in recipe.consent.refuse) or "none"
    lines = [
        "## Rights and consent",
        "",
        "The texts and images belong to the owners of the pages; this card grants nothing. `license` holds the URL or "
        "name that a page gives with `rel=license`; null, where it gives none, is no permission. `opt_out` holds the "
        "refusals found in a page that the recipe did not ask to count.",
        "",
        f"Refusals that counted: {refuse}; TDM reservations: {'yes' if recipe.consent.tdm else 'no'}; robots.txt: "
        f"{_robots(recipe)}; opt-out lists: {len(recipe.consent.opt_out)}; lists of forbidden images: "
        f"{len(recipe.images.forbidden)}.",
        "",
        "| left out | |",
        "| --- | ---: |",
    ]
    for (stage, name), words in REFUSALS.items():
        lines.append(f"| {words} | {manifest.counts.get(stage, {}).get(name, 0):,} |")
    return "\n".join([*lines, ""])


def _robots(recipe: Recipe) -> str:
    if recipe.fetch.source != "web":
        return "nothing was fetched from the web"
    return "kept to" if recipe.fetch.robots else "not asked for"
