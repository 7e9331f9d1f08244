"""Train or validation, by the page's host, so that no site is in both."""

from __future__ import annotations

from m3w.pipeline.crawl.urls import host_of, stable_number


def split_of(url: str, validation_fraction: float) -> str:
    """`validation` for the share `validation_fraction` of all hosts, drawn by a hash of the host's name."""
    return "validation" if stable_number(host_of(url)) / 2**32 < validation_fraction else "train"
