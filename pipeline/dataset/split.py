"""Train or validation, by the page's host, so that no site is in both."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.names import stable_number

SPLITS = ("train", "validation")


def split_of(url: str, validation_fraction: float) -> str:
    """`validation` for the share `validation_fraction` of all hosts, drawn by a hash of the host's name."""
    host = (urlsplit(url).hostname or "").lower()
    return "validation" if stable_number(host) / 2**32 < validation_fraction else "train"
