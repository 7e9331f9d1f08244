"""A build whose crawl and run lie on an S3 store that refuses requests and breaks answers off: the bytes of a calm one."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from benchmarks.s3 import build, hashes, recipe, s3, upload_crawl
from benchmarks.s3_store import slow_store
from m3w.pipeline.crawl.paths import archive_files
from m3w.pipeline.crawl.section import Storage
from m3w.pipeline.crawl.storage import open_file
from m3w.recipes.errors import InputError


def test_s3_paths_are_listed_and_read_with_the_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_store(refuse_every=4, break_every=1) as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        fs, content = s3(store), bytes(range(256)) * 2000
        fs.mkdir("crawl")
        fs.pipe_file("crawl/warc/a.warc.gz", content)
        fs.pipe_file("crawl/warc.paths", b"warc/a.warc.gz\n")
        storage = Storage(pause_s=0.001)
        for pattern in (
            "s3://crawl/warc/a.warc.gz",
            "s3://crawl/warc/*.gz",
            "s3://crawl/warc",
            "s3://crawl/warc.paths",
        ):
            (path,) = archive_files([pattern], storage=storage)
            assert path == "s3://crawl/warc/a.warc.gz"
        assert list(archive_files(["s3://crawl/warc.paths"], prefix="s3://other/x/")) == ["s3://other/x/warc/a.warc.gz"]
        with open_file("s3://crawl/warc/a.warc.gz", storage) as file:
            assert file.read() == content
        assert store.refused > 1 and store.broken > 0
        anonymous = Storage(pause_s=0.001, anonymous=True, endpoint=store.url)
        with (
            open_file("s3://crawl/warc/a.warc.gz", anonymous) as file,
            pytest.raises(PermissionError, match="HTTP 403"),
        ):
            file.read(1)
        fs.chmod("crawl/warc/a.warc.gz", "public-read")
        with open_file("s3://crawl/warc/a.warc.gz", anonymous) as file:
            assert file.read() == content
        for missing in ("s3://crawl/none.gz", "s3://nowhere/*.gz"):
            with pytest.raises(InputError, match=r"crawl\.paths: s3://"):
                archive_files([missing], storage=storage)


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_on_a_store_that_refuses_has_the_dataset_of_a_local_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        fs, path = s3(store), recipe(tmp_path)
        upload_crawl(fs, tmp_path / "crawl", files=1)
        build(path, f"{tmp_path}/run", store)
        store.refuse_every, store.break_every = 10, 3
        build(path, "s3://runs/rough", store)
        store.refuse_every = 0
        assert store.refused > 20 and store.broken > 0
        expected = hashes(fsspec.filesystem("file"), f"{tmp_path}/run")
        assert len(expected) > 4
        assert hashes(fs, "runs/rough") == expected
