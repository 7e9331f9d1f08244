"""Our WARC reader against warcio and FastWARC: records per second, share of `extract`, odd files.

    python -m benchmarks.warc [--rounds N] [--data ../shared]

Speed: the real Common Crawl and wget files of the shared folder, concatenated many times, with a gzip member for each
record as in a real crawl. Each round times every reader in one process, which parses the WARC and HTTP headers and
reads the body. `extract` is the whole stage on the same file, without fetching images. Odd files: for every file of the
shared folder, the records that each reader returns before it ends or raises, compared with ours by kind and URL.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from benchmarks.inline import InlineRun
from m3w.pipeline.crawl.warc import read_archive
from m3w.pipeline.crawl.warc_record import WarcRecord
from m3w.pipeline.extract.stage import extract

SHARED = Path(__file__).parents[2] / "shared"
FILES = ("commoncrawl-resiliparse/warcfile.warc.gz", "commoncrawl-whirlwind/whirlwind.warc.gz", "odd-pywb/iana.warc.gz")
COPIES = {"commoncrawl-resiliparse/warcfile.warc.gz": 8}
"""In each turn, as that file is what a crawl looks like; the others are few and small."""
MAX_BLOCK_BYTES = 20 * 2**20

Key = tuple[str, str, int]
"""Kind, URL and bytes of the body."""
Reader = Callable[[Path], Iterator[Key]]


def ours(path: Path) -> Iterator[Key]:
    for item in read_archive(str(path), max_block_bytes=MAX_BLOCK_BYTES):
        if isinstance(item, WarcRecord):
            yield item.kind, item.url or "", len(item.block)


def warcio(path: Path) -> Iterator[Key]:
    with path.open("rb") as file:
        for record in ArchiveIterator(file, arc2warc=True):
            body = record.raw_stream.read()
            yield record.rec_type or "", record.rec_headers.get_header("WARC-Target-URI") or "", len(body)


def fastwarc(path: Path) -> Iterator[Key]:
    with path.open("rb") as file:
        for record in FastIterator(file, parse_http=True):
            body = record.reader.read()
            yield record.headers.get("WARC-Type") or "", record.headers.get("WARC-Target-URI") or "", len(body)


READERS: dict[str, Reader] = {"ours": ours, "warcio": warcio, "fastwarc": fastwarc}


def seconds(reader: Reader, path: Path) -> tuple[float, int, int]:
    """Of reading the whole file; and its records and bytes of bodies."""
    started, records, size = time.perf_counter(), 0, 0
    for _, _, length in reader(path):
        records, size = records + 1, size + length
    return time.perf_counter() - started, records, size


def extract_seconds(path: Path, folder: Path) -> float:
    inline = InlineRun(folder / f"{time.monotonic_ns()}")
    started = time.perf_counter()
    inline.part(extract, "all", path=str(path))
    return time.perf_counter() - started


def records_of(reader: Reader, path: Path) -> Counter[tuple[str, str]]:
    """The records that the reader gives before it ends or raises, by kind and URL."""
    records: Counter[tuple[str, str]] = Counter()
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        for kind, url, _ in reader(path):
            records[kind.strip().lower(), url.strip("<>")] += 1
    return records


def odd_files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """By reader: files of which it gives all records that ours does, records that it lacks, and that only it gives."""
    table = dict.fromkeys(READERS, (0, 0, 0))
    for path in sorted(path for path in folder.rglob("*") if ".warc" in path.name or ".arc" in path.suffixes):
        if path.name.endswith((".paths.gz", ".lz4")):
            continue
        expected = records_of(ours, path)
        for name, reader in READERS.items():
            records = records_of(reader, path)
            lacks, more = (expected - records).total(), (records - expected).total()
            whole, lost, extra = table[name]
            table[name] = (whole + (lacks == 0), lost + lacks, extra + more)
    return table


def write_crawl(folder: Path, warc: Path, mib: int) -> Path:
    turn = b"".join((warc / name).read_bytes() * COPIES.get(name, 1) for name in FILES)
    path = folder / "crawl.warc.gz"
    path.write_bytes(turn * max(1, mib * 2**20 // len(turn)))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=12, help="about the size of the file that is read")
    parser.add_argument("--data", type=Path, default=SHARED, help="the shared folder")
    options = parser.parse_args()
    warc = options.data / "data" / "warc"
    if not warc.is_dir():
        sys.exit(f"{warc} is not there, so there is nothing to measure on; name the shared folder with --data")
    with tempfile.TemporaryDirectory() as folder:
        path = write_crawl(Path(folder), warc, options.mib)
        rounds = [{name: seconds(reader, path) for name, reader in READERS.items()} for _ in range(options.rounds)]
        whole = [extract_seconds(path, Path(folder)) for _ in range(max(1, options.rounds // 2))]
        size = path.stat().st_size
    counts = {name: rounds[0][name][1:] for name in READERS}
    table = odd_files(warc)
    records, times = counts["ours"][0], {name: [r[name][0] for r in rounds] for name in READERS}
    median = {name: statistics.median(values) for name, values in times.items()}
    stage = statistics.median(whole)
    print(f"{records} records, {size / 2**20:.1f} MiB; extract {stage:.2f} s: {records / stage:.0f} records/s\n")
    columns = f"{'reader':10s}{'records/s':>11s}{'of extract':>12s}{'records':>9s}{'body bytes':>12s}"
    print(f"{columns}   odd files: whole, records lost, only there")
    for name in READERS:
        share = median[name] / (stage - median["ours"] + median[name])
        odd = "{:5d} {:5d} {:5d}".format(*table[name])
        print(f"{name:10s}{records / median[name]:11.0f}{share:12.1%}{counts[name][0]:9d}{counts[name][1]:12d}   {odd}")
    figures = {
        "records_a_second": round(records / median["ours"]),
        "ratio_to_warcio": round(statistics.median(r["warcio"][0] / r["ours"][0] for r in rounds), 3),
        "ratio_to_fastwarc": round(statistics.median(r["fastwarc"][0] / r["ours"][0] for r in rounds), 3),
        "share_of_extract": round(median["ours"] / stage, 4),
        "extract_with_fastwarc": round(stage / (stage - median["ours"] + median["fastwarc"]), 3),
        "lost_by_warcio": table["warcio"][1],
        "lost_by_fastwarc": table["fastwarc"][1],
    }
    machine = f"{platform.machine()}, Python {platform.python_version()}, one process"
    date = datetime.now(UTC).date().isoformat()
    print(json.dumps({"bench": "warc", "date": date, "machine": machine, "figures": figures}))


if __name__ == "__main__":
    main()
