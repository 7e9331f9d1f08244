"""Deduplication: MinHash signatures against datasketch and datatrove; growth of time and of the driver's memory.

    python -m benchmarks.dedup [--rounds N] [--documents N ...] [--folder DIR]

Signatures: all systems get the same texts (100 to 900 synthetic words of uneven frequency), word 5-grams and 112
permutations; each round times them one after the other. The peers get n-grams from our own words, which saves them
their slower normalisation, and hash with their defaults; `datasketch, fastest` is datasketch's best scheme with xxhash.

Growth: synthetic documents with planted copies of every kind go through the stages that detect copies
(document_hashes, deduplicate, repeated), with every option for documents enabled and on Ray Data (nothing in one task),
each size in a separate process. The driver's memory is the peak of its resident set, including imports. For a million:
--documents 1000000.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.command import options_parser, print_figures
from benchmarks.synthetic_documents import vocabulary
from m3w.pipeline.dedup.minhash import signatures, words

NGRAM, BANDS, ROWS = 5, 14, 8
TEXTS = 1000
System = Callable[[list[str]], object]


def texts(count: int) -> list[str]:
    rng, known = np.random.default_rng(0), np.array(vocabulary(20_000), dtype=object)
    lengths = rng.integers(100, 900, count)
    return [" ".join(known[(20_000 * rng.random(length) ** 3).astype(int)]) for length in lengths]


def ngrams(text: str) -> list[bytes]:
    tokens = words(text).split()
    return [b" ".join(tokens[i : i + NGRAM]) for i in range(len(tokens) - NGRAM + 1)]


def ours(documents: list[str]) -> object:
    return signatures(documents, ngram=NGRAM, permutations=BANDS * ROWS)


def datasketch(scheme: str | None, hash_function: Callable[[bytes], int] | None) -> System:
    from datasketch import MinHash

    options = {"num_perm": BANDS * ROWS, "scheme": scheme}
    if hash_function is not None:
        options["hashfunc"] = hash_function
    first = MinHash(**options)
    permutations, options["scheme"] = first.permutations, first.scheme  # drawn once, not for each text

    def system(documents: list[str]) -> object:
        signatures = []
        for text in documents:
            sketch = MinHash(**options, permutations=permutations)
            sketch.update_batch(ngrams(text))
            signatures.append(sketch.hashvalues)
        return signatures

    return system


def datatrove() -> System:
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.hashing import create_hash_func

    step = MinhashDedupSignature.__new__(MinhashDedupSignature)  # its __init__ loads a tokenizer, which is not measured
    step.config = MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)
    step.num_hashes, step._parameters = BANDS * ROWS, None
    hashed = create_hash_func(step.config.hash_config)  # xxhash of 64 bits; xxhash 4 takes bytes only

    def system(documents: list[str]) -> object:
        signatures = []
        for text in documents:
            shingles = np.fromiter([hashed(ngram) for ngram in ngrams(text)], np.uint64).reshape(-1, 1)
            signatures.append(step.get_signature(shingles))
        return signatures

    return system


def systems() -> dict[str, System]:
    import xxhash

    return {
        "m3w": ours,
        "datasketch": datasketch(None, None),
        "datasketch, fastest": datasketch("affine32", xxhash.xxh32_intdigest),
        "datatrove": datatrove(),
    }


def compare(rounds: int) -> list[dict[str, float]]:
    """Seconds of each system on all texts, by round."""
    documents, known = texts(TEXTS), systems()
    for system in known.values():
        system(documents[:20])
    times = []
    for _ in range(rounds):
        times.append({})
        for name, system in known.items():
            start = time.perf_counter()
            system(documents)
            times[-1][name] = time.perf_counter() - start
    return times


def grow(count: int, folder: Path) -> dict[str, float]:
    """Seconds of each stage over `count` documents, and `driver_mib`; from a process of its own."""
    run = folder / f"run-{count}"
    shutil.rmtree(run, ignore_errors=True)
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "benchmarks.dedup_stages", str(count), str(run)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    shutil.rmtree(run, ignore_errors=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def name_of(count: int) -> str:
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}m"


def main() -> None:
    parser = options_parser(__doc__)
    parser.add_argument("--documents", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "m3w-bench-dedup")
    options = parser.parse_args()
    rounds = compare(options.rounds)
    figures: dict[str, float] = {}
    print(f"{'system':22s}{'texts/s':>10s}{'m3w is faster by':>18s}")
    for name in rounds[0]:
        ratio = statistics.median(times[name] / times["m3w"] for times in rounds)
        print(f"{name:22s}{statistics.median(TEXTS / times[name] for times in rounds):10.0f}{ratio:18.2f}")
        if name != "m3w":
            figures[f"ratio_to_{name.replace(', ', '_')}"] = round(ratio, 2)
    figures["minhash_ratio"] = min(figures["ratio_to_datasketch"], figures["ratio_to_datatrove"])
    for count in options.documents:
        result = grow(count, options.folder)
        show(count, result)
        figures[f"seconds_{name_of(count)}"] = round(result["seconds"], 1)
        figures[f"driver_mib_{name_of(count)}"] = round(result["driver_mib"])
    print_figures("dedup", figures, f"{os.cpu_count()} cores")


def show(count: int, result: dict[str, float]) -> None:
    stages = ", ".join(f"{name} {result[name]:.1f} s" for name in ("document_hashes", "deduplicate", "repeated"))
    print(f"\n{count:,} documents: {result['seconds']:.1f} s ({stages}), driver {result['driver_mib']:.0f} MiB")
    print(f"  found: {result['copies']:,.0f} copies, {result['keys']:,.0f} repeated keys by part", flush=True)


if __name__ == "__main__":
    main()
