"""Extraction under atheris, which looks for inputs that take new paths: runs until it is stopped or finds an exception.

    python tests/pipeline/extract/fuzz.py [CORPUS] [-max_total_time=600] [-max_len=20000]

CORPUS is a folder of pages to start from; what is found is added to it.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["m3w.pipeline.extract"]):
    from m3w.pipeline.extract import REASONS, extract_page


def one(data: bytes) -> None:
    for content, videos in (("main", False), ("full", True)):
        found = extract_page(data, "http://site.example/a/", content=content, videos=videos)  # type: ignore[arg-type]
        if isinstance(found, str):
            assert found in REASONS
        else:
            assert len(found.texts) == len(found.images) > 0


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
