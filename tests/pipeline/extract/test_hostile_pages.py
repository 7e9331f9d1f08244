"""Pages that are made to break a parser: each in bounded time and memory, a document or a counted reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MOST_SECONDS = 2.0
MOST_MIB = 256

PAGES = {
    "nested tags": "b'<div>' * 100_000 + b'words in the middle, of it all'",
    "nested tags, closed": "b'<div><b>' * 100_000 + b'words' + b'</b></div>' * 100_000",
    "nested figures": "b'<figure class=a id=b>' * 100_000",
    "nested tables": "b'<table><tr><td>' * 50_000",
    "10 MB attribute": "b'<p class=\"' + b'ad comment ' * 1_000_000 + b'\">words</p>'",
    "10 MB srcset": "b'<img srcset=\"' + b'a,b 1w, ' * 1_300_000 + b'\">'",
    "10 MB address": "b'<img src=\"' + b'a/' * 5_000_000 + b'\"><p>x</p>'",
    "many attributes": "b'<p ' + b' '.join(b'a%d=1' % i for i in range(500_000)) + b'>words</p>'",
    "1 M siblings": "b'<p>a' * 1_000_000",
    "1 M inline siblings": "b'<i>a</i>' * 1_000_000",
    "1 M images": "b'<img src=\"a.png\">' * 1_000_000",
    "1 M line breaks": "b'<br>' * 1_000_000",
    "truncated tag": "b'<p>words and <img src=\"a.png\" al'",
    "NUL bytes": "bytes(1_000_000) + b'<p>a\\0b</p>'",
    "a PNG": "b'\\x89PNG\\r\\n\\x1a\\n' + os.urandom(1_000_000)",
    "random bytes": "os.urandom(5_000_000)",
    "empty body": "b'<html><body></body></html>'",
    "5 MB of one line": "b'word ' * 1_000_000",
    "5 MB of one word": "b'\\xe9' * 5_000_000",
    "open comments": "b'<!--' * 1_000_000",
    "less-than signs": "b'<' * 5_000_000",
    "options": "b'<select><option>a' * 300_000",
}

RUN = """
import gc, os, sys, time
from m3w.pipeline.extract import extract_page
def memory(name):
    return int(next(line for line in open('/proc/self/status') if line.startswith(name)).split()[1]) / 1024
html = {page}
extract_page(b'<p>warm</p>', 'http://a/')
with open('/proc/self/clear_refs', 'w') as peak:
    peak.write('5')
base, start = memory('VmRSS'), time.thread_time()
result = extract_page(html, 'http://a/')
print(time.thread_time() - start, memory('VmHWM') - base, result if isinstance(result, str) else 'document')
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_page_costs_little(name: str) -> None:
    command = [sys.executable, "-c", RUN.format(page=PAGES[name])]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    seconds, mib, outcome = done.stdout.split()
    assert float(seconds) < MOST_SECONDS
    assert float(mib) < MOST_MIB
    assert outcome in ("document", "no_main_content", "not_html")
