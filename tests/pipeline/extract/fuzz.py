"""Extraction under atheris, which looks for inputs that take new paths: runs until it is stopped or finds an exception.

    python tests/pipeline/extract/fuzz.py [CORPUS] [-max_total_time=600] [-max_len=20000]

CORPUS is a folder of pages to start from; new pages are added to it.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-result]

with atheris.instrument_imports(include=["m3w.pipeline.extract"]):
    from m3w.pipeline.extract import REASONS, extract_page


def one(data: bytes) -> None:
    for content, videos in (("main", False), ("full", True)):
        result = extract_page(data, "http://site.example/a/", content=content, videos=videos)  # type: ignore[arg-type]
        if isinstance(result, str):
            assert result in REASONS
        else:
            assert len(result.texts) == len(result.images) > 0


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
