"""img2dataset as a peer in benchmarks and tests: its `download`, and its resizer alone."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

SCRIPT = """
import os, resource
os.sched_setaffinity(0, {cpu})
from img2dataset import download
if __name__ == "__main__":
    download(url_list="{urls}", output_folder="{out}", processes_count=1, thread_count={threads},
             image_size={pixels}, resize_mode="keep_ratio_largest", resize_only_if_bigger=True,
             output_format="webdataset", input_format="txt", retries=0, timeout=30)
    print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class Measured:
    """One run of one system."""

    seconds: float
    peak_mib: float
    sizes: dict[str, tuple[int, int]]
    """Pixels of what was kept, by URL."""

    @property
    def speed(self) -> float:
        """Images a second."""
        return len(self.sizes) / self.seconds


def download(urls: list[str], folder: Path, *, threads: int, pixels: int, cpu: int) -> Measured:
    """img2dataset's documented `download` in one process on `cpu`; its time is that of its shards as it states it."""
    folder.mkdir()
    listed, script, out = folder / "urls.txt", folder / "run.py", folder / "out"
    listed.write_text("\n".join(urls))
    script.write_text(SCRIPT.format(cpu={cpu}, urls=listed, out=out, threads=threads, pixels=pixels))
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )
    if done.returncode:
        sys.exit(f"img2dataset failed, so there is nothing to compare with:\n{done.stderr[-2000:]}")
    peak_mib = float(done.stdout.rpartition("peak ")[2])
    stats = [json.loads(path.read_text()) for path in out.glob("*_stats.json")]
    return Measured(sum(shard["duration"] for shard in stats), peak_mib, _kept(out))


def _kept(out: Path) -> dict[str, tuple[int, int]]:
    sizes = {}
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    file = tar.extractfile(member)
                    assert file is not None
                    row = json.load(file)
                    sizes[row["url"]] = (row["width"], row["height"])
    return sizes


def resizer() -> ModuleType:
    """Its module alone: the package imports torch."""
    package = importlib.util.find_spec("img2dataset")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "resizer.py"
    spec = importlib.util.spec_from_file_location("img2dataset_resizer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
