"""Shards on local disk: whole or not there, within the bound, shared by processes that may be killed."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import fsspec
import pytest

from m3w.schemas.dataset import ShardFile
from m3w.trainer.data import cache as cache_module
from m3w.trainer.data.cache import PARTIAL, AlteredShardError, ShardCache
from m3w.trainer.data.files import CachedFiles
from m3w.trainer.data.order import SampleAddress
from m3w.trainer.data.sequences import SequenceReader


def remote(number: int, size: int = 1000) -> ShardFile:
    """A shard in fsspec's file system in memory."""
    content = bytes([number]) * size
    path = f"memory://cache-test/{number:03d}.tar"
    with fsspec.open(path, "wb") as file:
        file.write(content)
    return ShardFile(path, size, hashlib.sha256(content).hexdigest())


def whole(folder: Path) -> set[str]:
    return {path.name.partition("-")[2] for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_shard_is_fetched_once_and_read_from_there(tmp_path):
    file, files = remote(1), CachedFiles(ShardCache(tmp_path, 10_000))
    assert files.read(file, 5, 3) == b"\x01\x01\x01"
    fsspec.filesystem("memory").rm("/cache-test/001.tar")
    assert files.read(file, 0, 1000) == b"\x01" * 1000
    assert files.open(file).read() == b"\x01" * 1000
    assert whole(tmp_path) == {"001.tar"}


def test_the_shards_not_used_for_longest_go_first(tmp_path):
    cache = ShardCache(tmp_path, 3500)
    for number in (1, 2, 3, 1, 4):
        os.close(cache.fetch(remote(number)))
        time.sleep(0.01)
    assert whole(tmp_path) == {"001.tar", "003.tar", "004.tar"}


def test_a_shard_in_use_stays_and_what_has_no_room_is_read_where_it_lies(tmp_path):
    cache = ShardCache(tmp_path, 2500)
    held = [cache.fetch(remote(1)), cache.fetch(remote(2))]
    assert cache.fetch(remote(3)) is None
    assert CachedFiles(cache).read(remote(3), 0, 4) == b"\x03" * 4
    assert whole(tmp_path) == {"001.tar", "002.tar"}
    os.close(held[0])
    assert cache.fetch(remote(3)) is not None
    assert whole(tmp_path) == {"002.tar", "003.tar"}


@pytest.mark.parametrize("fault", ["short", "altered"])
def test_a_shard_that_is_not_what_the_dataset_says_is_an_error_and_not_kept(tmp_path, fault):
    file = remote(1)
    wrong = ShardFile(file.path, 1001, file.sha256) if fault == "short" else ShardFile(file.path, 1000, "0" * 64)
    with pytest.raises(AlteredShardError, match="copy it again"):
        ShardCache(tmp_path, 10_000).fetch(wrong)
    assert whole(tmp_path) == set()


def test_a_fault_in_passing_costs_another_attempt(tmp_path, monkeypatch):
    copy, tries = cache_module._copy, []

    def flaky(file, target):
        tries.append(file)
        if len(tries) < 3:
            raise OSError("connection reset")
        copy(file, target)

    monkeypatch.setattr(cache_module, "_copy", flaky)
    assert ShardCache(tmp_path, 10_000).fetch(remote(1)) is not None


def _die_half_way(folder: Path, file: ShardFile) -> None:
    def half(file, target):
        os.pwrite(target, b"\x01" * 500, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    cache_module._copy = half
    ShardCache(folder, 10_000).fetch(file)


def test_a_download_whose_process_is_killed_is_never_taken_for_whole(tmp_path):
    file = remote(1)
    process = multiprocessing.get_context("fork").Process(target=_die_half_way, args=(tmp_path, file))
    process.start()
    process.join()
    assert [path.name.startswith(PARTIAL) for path in tmp_path.iterdir() if path.name != ".room"] == [True]
    assert whole(tmp_path) == set()
    handle = ShardCache(tmp_path, 1000).fetch(file)  # what was left counts against the bound, and is given back
    assert os.pread(handle, 1000, 0) == b"\x01" * 1000
    assert not list(tmp_path.glob(f"{PARTIAL}*"))


def _read_many(folder: str, cache: Path, seed: int, results) -> None:
    files = CachedFiles(ShardCache(cache, 40_000), open_shards=2)
    reader = SequenceReader(folder, "train", files)
    found = [reader.read(SampleAddress((seed + n) % 6, n % 2)).texts for n in range(60)]
    used = max(sum(path.stat().st_size for path in cache.iterdir()), 0)
    results.put((seed, found, used))


def test_processes_share_the_folder_and_read_what_the_dataset_holds(tmp_path, make_dataset, make_png):
    shards = [[[f"{shard}", make_png()], [f"{shard} b", make_png("blue")]] for shard in range(6)]
    folder = str(make_dataset(tmp_path / "dataset", {"train": shards}))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    started = [context.Process(target=_read_many, args=(folder, tmp_path / "c", n, results)) for n in range(4)]
    for process in started:
        process.start()
    alone = SequenceReader(folder, "train")
    for _ in started:
        seed, found, used = results.get(timeout=60)
        assert found == [alone.read(SampleAddress((seed + n) % 6, n % 2)).texts for n in range(60)]
        assert used <= 40_000
    for process in started:
        process.join()


def test_what_is_next_in_order_is_fetched_ahead_as_far_as_it_fits(tmp_path):
    files = CachedFiles(ShardCache(tmp_path, 3500))
    files.expect([remote(number) for number in range(1, 6)])
    deadline = time.monotonic() + 30
    while len(whole(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    files._thread.join()
    assert whole(tmp_path) == {"001.tar", "002.tar", "003.tar"}
