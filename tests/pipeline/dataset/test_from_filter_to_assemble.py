"""The stages after `extract`, each run inline on the output of the one before, from kept documents to shards."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import webdataset
from PIL import Image

from m3w.pipeline.build import STAGES, dataset_digest
from m3w.pipeline.dataset.assemble import assemble
from m3w.pipeline.dataset.card import CardSettings
from m3w.pipeline.dataset.join import Chunks, join, split_of
from m3w.pipeline.dataset.publish import publish
from m3w.pipeline.dedup.deduplicate import deduplicate
from m3w.pipeline.dedup.document_hashes import document_hashes
from m3w.pipeline.dedup.unique import unique
from m3w.pipeline.engine.inputs import sum_counters
from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.engine.settings import settings_of
from m3w.pipeline.engine.stage import Part
from m3w.pipeline.extract.stage import extract
from m3w.pipeline.fetch.image_results import image_results
from m3w.pipeline.fetch.requests import ROWS, RequestSettings, group_of, requests
from m3w.pipeline.fetch.stage import fetch
from m3w.pipeline.filters.filter import filter
from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS
from m3w.pipeline.tables import ARCHIVED_IMAGES, DOCUMENT_SHARDS, EXTRACTED, KEPT, SEQUENCE_SHARDS
from m3w.schemas.document import ImageReference, InterleavedDocument
from m3w.schemas.manifest import Manifest

ArchiveRecord = Callable[..., bytes]
SITE = "http://site.example"


def picture(seed: int = 0, size: tuple[int, int] = (80, 70), colour: str | None = None) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    (Image.new("RGB", size, colour) if colour else Image.fromarray(noise)).save(file, "PNG")
    return file.getvalue()


def document(
    nodes: list[str | None], url: str = f"{SITE}/", language: str = "en", **signals: float
) -> InterleavedDocument:
    """A node that looks like a URL is an image."""
    is_image = [node is not None and node.startswith(("http", "data:")) for node in nodes]
    texts = [None if image else node for node, image in zip(nodes, is_image, strict=True)]
    return InterleavedDocument(
        url=url,
        texts=texts,
        images=[ImageReference(url=node or "") if image else None for node, image in zip(nodes, is_image, strict=True)],
        language=language,
        language_score=0.9,
        signals={**dict.fromkeys(DOCUMENT_SIGNALS, 1.0), "words": 10, "characters": 50, **signals},
    )


# Filter


def filtered(in_place: Any, documents: list[InterleavedDocument], **rules: Any) -> tuple[LedgerEntry, list[str]]:
    in_place.put(EXTRACTED, [d.row() for d in documents], "part")
    entry = in_place.part(filter, "part", in_place.recipe(rules=rules))
    return entry, [row["url"] for row in in_place.rows(KEPT, "part")]


def test_languages_and_rules_drop_documents_under_their_names(in_place: Any) -> None:
    documents = [
        document(["x"], "http://a.example/", words=100),
        document(["x"], "http://b.example/", language="de", words=1),
        document(["x"], "http://c.example/", words=9),
        document(["x"], "http://d.example/", words=100, characters=5000),
    ]
    documents[0].language_score = None
    rules = {"too_short": {"signal": "words", "min": 10}, "characters": {"max": 1000}}
    entry, kept = filtered(in_place, documents, document=rules)
    assert kept == ["http://a.example/"]
    assert entry.counters == {
        "documents": 1,
        "documents_dropped.language": 1,
        "documents_dropped.too_short": 1,
        "documents_dropped.characters": 1,
    }
    entry, kept = filtered(in_place, documents, languages=[])
    assert len(kept) == 4
    entry, kept = filtered(in_place, documents, languages=[], document={"language_score": {"min": 0.5}})
    assert entry.counters["documents_dropped.language_score"] == 1, "a language that was not told cannot be sure enough"


def test_what_is_kept_is_kept_as_it_was(in_place: Any) -> None:
    filtered(in_place, [document(["x", f"{SITE}/1.png"])])
    assert in_place.rows(KEPT, "part") == in_place.rows(EXTRACTED, "part")


# From kept documents to shards


class Crawl:
    """An archive of pages' images, and the documents that show them."""

    def __init__(self, in_place: Any, record: ArchiveRecord):
        self._in_place, self._record = in_place, record
        self.sections: dict[str, Any] = {"dataset": {"validation_fraction": 0}}

    def build(self, parts: dict[str, list[InterleavedDocument]], archive: dict[str, bytes | str]) -> dict[str, Any]:
        """Requests to assembled shards; counters by stage. Images by URL: bytes, or an HTTP status line."""
        work, recipe = self._in_place, self._in_place.recipe(**self.sections)
        path = work.folder / "crawl.warc.gz"
        path.write_bytes(b"".join(gzip.compress(self._answer(url, answer)) for url, answer in archive.items()))
        work.stage(extract, recipe, [Part(name="archive", inputs=[], params={"path": str(path)})])
        work.put(KEPT, [], "archive")
        for part, documents in parts.items():
            work.put(KEPT, [d.row() for d in documents], part)
            work.put(ARCHIVED_IMAGES, [], part)
        behind = (document_hashes, deduplicate, unique, requests, fetch, image_results, join, assemble)
        entries = {stage.name: work.stage(stage, recipe) for stage in behind}
        counts = {name: dict(sum_counters(entries[name].values())) for name in ("unique", "fetch", "join", "assemble")}
        self.manifest = publish(
            work.run,
            work.inputs.entries(DOCUMENT_SHARDS),
            counts,
            recipe_sha256=dataset_digest(recipe),
            card=settings_of(CardSettings, recipe),
            stages=STAGES,
        )
        return counts

    def _answer(self, url: str, answer: bytes | str) -> bytes:
        if isinstance(answer, str):
            return self._record(url, b"", status=answer, content_type="image/png")
        return self._record(url, answer, content_type="image/png")

    def documents(self, shard: str = "train-00000-of-00001") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._in_place.rows(DOCUMENT_SHARDS, shard)
        return rows

    def drops(self, part: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._in_place.rows_at(f"drops/{part}.parquet")
        return rows

    def samples(self, shard: str = "train-00000-of-00001") -> list[dict[str, Any]]:
        path = self._in_place.folder / "run" / SEQUENCE_SHARDS.path(shard)
        return list(webdataset.WebDataset(str(path), shardshuffle=False))


@pytest.fixture
def crawl(in_place: Any, archive_record: ArchiveRecord) -> Crawl:
    return Crawl(in_place, archive_record)


def test_every_url_ends_with_a_status_and_only_ok_ones_with_bytes(crawl: Crawl) -> None:
    one = picture(1)
    data = "data:image/png;base64," + base64.b64encode(picture(2)).decode()
    archive: dict[str, bytes | str] = {
        f"{SITE}/ok.png": one,
        f"{SITE}/copy.png": one,
        f"{SITE}/404.png": "404 Not Found",
        f"{SITE}/301.png": "301 Moved",
        f"{SITE}/html.png": b"<!doctype html><p>no picture</p>",
        f"{SITE}/empty.png": b"",
        f"{SITE}/cut.png": one[:3000],
        f"{SITE}/small.png": picture(3, (63, 100)),
        f"{SITE}/long.png": picture(4, (300, 70)),
        f"{SITE}/flat.png": picture(5, colour="red"),
        f"{SITE}/big.png": picture(6, (1200, 900)),
        f"{SITE}/heavy.png": picture(7, (700, 500)),
        "http://[bad/1.png": picture(8),
    }
    crawl.sections["fetch"] = {"max_megapixels": 1, "max_image_mib": 1}
    urls = [*archive, f"{SITE}/never.png", data, "data:image/png;base64,A", f"{SITE}/ok.png#here"]
    counts = crawl.build({"p": [document(["a text", *urls])]}, archive)
    (row,) = crawl.documents()
    status = {image["url"].removeprefix(f"{SITE}/"): image["status"] for image in row["images"] if image}
    assert status == {
        "ok.png": "ok", "copy.png": "ok", "404.png": "http_404", "301.png": "http_301", "html.png": "not_an_image",
        "empty.png": "empty", "cut.png": "undecodable", "small.png": "too_small", "long.png": "aspect_ratio",
        "flat.png": "single_colour", "big.png": "body_too_large", "heavy.png": "body_too_large", "http://[bad/1.png": "ok",
        "never.png": "not_in_archive", data: "ok", "data:image/png;base64,A": "undecodable", "ok.png#here": "ok",
    }  # fmt: skip
    for image, content in zip(row["images"], row["image_bytes"], strict=True):
        assert (content is not None) == (image is not None and image["status"] == "ok")
        if content is not None:
            assert (image["width"], image["height"], image["mime"]) == (80, 70, "image/png")
    assert row["image_bytes"][1] == row["image_bytes"][2] == one
    fetched = counts["fetch"]
    assert fetched["image_urls"] == len(urls) - 1, "a fragment is no URL of its own"
    assert fetched["image_urls"] == fetched["images"] + sum(n for k, n in fetched.items() if "dropped" in k)
    assert counts["join"]["image_references_dropped.http_404"] == 1


def test_an_image_with_too_many_pixels_is_refused_by_that_reason(crawl: Crawl) -> None:
    crawl.sections["fetch"] = {"max_megapixels": 1}
    archive: dict[str, bytes | str] = {f"{SITE}/1.png": picture(1), f"{SITE}/2.png": picture(2, (1500, 700), "red")}
    crawl.build({"p": [document(["text", *archive])]}, archive)
    assert [image["status"] for image in crawl.documents()[0]["images"][1:]] == ["ok", "too_many_pixels"]


def test_a_document_without_an_image_left_is_dropped(crawl: Crawl) -> None:
    documents = [document(["text", f"{SITE}/{name}.png"], f"{SITE}/{name}") for name in ("good", "tiny", "gone")]
    counts = crawl.build({"p": documents}, {f"{SITE}/good.png": picture(), f"{SITE}/tiny.png": picture(0, (9, 9))})
    assert [row["url"] for row in crawl.documents()] == [f"{SITE}/good"]
    assert counts["join"] == {
        "documents": 1, "documents_dropped.no_image_left": 2, "images": 1,
        "image_references_dropped.not_in_archive": 1, "image_references_dropped.too_small": 1,
    }  # fmt: skip
    drops = crawl.drops("join/p")
    assert [(drop["kind"], drop["reason"], drop["image_url"]) for drop in drops] == [
        *[("document", "no_image_left", None)] * 2,
        ("image", "not_in_archive", f"{SITE}/gone.png"),
        ("image", "too_small", f"{SITE}/tiny.png"),
    ]
    assert drops[3]["text"] == "9 x 9 px"


def test_an_image_without_a_text_beside_it_is_in_no_sequence_and_leaves_a_sample(crawl: Crawl) -> None:
    archive: dict[str, bytes | str] = {f"{SITE}/{n}.png": picture(n) for n in range(7)}
    counts = crawl.build({"p": [document(["text", *archive])]}, archive)
    assert (counts["assemble"]["images"], counts["assemble"]["sequence_images"]) == (7, 5)
    assert counts["assemble"]["sequence_images_dropped.no_text_beside"] == 2
    drops = crawl.drops("assemble/train-00000-of-00001")
    assert {(drop["kind"], drop["reason"]) for drop in drops} == {("image", "no_text_beside")}
    assert {drop["image_url"] for drop in drops} == {f"{SITE}/5.png", f"{SITE}/6.png"}


def test_the_same_crawl_of_a_page_is_one_document_whatever_files_hold_it(crawl: Crawl) -> None:
    page, other = document(["text", f"{SITE}/1.png"], f"{SITE}/1"), document(["x", f"{SITE}/1.png"], f"{SITE}/2")
    counts = crawl.build({"a": [page, other, page], "b": [page]}, {f"{SITE}/1.png": picture()})
    assert [row["url"] for row in crawl.documents()] == [f"{SITE}/1", f"{SITE}/2"]
    assert counts["unique"]["documents_dropped.same_crawl_of_page"] == 2


def test_an_image_with_many_records_is_read_from_the_first_that_has_it(in_place: Any) -> None:
    url = f"{SITE}/1.png"
    wanted = [{"group": "0", "part": part, "url": url} for part in ("b", "a", "b")]
    places = [
        {"group": "0", "url": url, "archive_status": status, "warc_path": path, "warc_offset": offset}
        for status, path, offset in ((503, "a.warc", 0), (200, "c.warc", 9), (200, "b.warc", 70), (200, "b.warc", 8))
    ]
    reduce = requests.shuffle(in_place.inputs, settings_of(RequestSettings, in_place.recipe())).reduce
    for rows in itertools.permutations(places):
        table, counters = reduce(pa.Table.from_pylist([*wanted, *rows], schema=ROWS))
        (request,) = table.to_pylist()
        assert (request["warc_path"], request["warc_offset"], request["archive_status"]) == ("b.warc", 8, 200)
        assert (request["parts"], counters) == (["a", "b"], {"image_urls": 1})


def test_hosts_do_not_cross_from_one_split_to_the_other(crawl: Crawl, in_place: Any) -> None:
    crawl.sections = {"dataset": {"validation_fraction": 0.4}}
    hosts = [f"http://site-{n}.example" for n in range(12)]
    documents = [document(["text", f"{SITE}/1.png"], f"{host}/{n}") for host in hosts for n in range(3)]
    crawl.build({"p": documents}, {f"{SITE}/1.png": picture()})
    found = {
        split: {row["url"] for row in crawl.documents(f"{split}-00000-of-00001")} for split in ("train", "validation")
    }
    assert all(split_of(url, 0.4) == split for split, urls in found.items() for url in urls)
    assert sum(map(len, found.values())) == 36
    assert all(found.values())


def test_sequences_hold_every_image_in_order_with_its_bytes_and_at_most_five(crawl: Crawl) -> None:
    archive: dict[str, bytes | str] = {f"{SITE}/{n}.png": picture(n) for n in range(13)}
    nodes = [node for n in range(13) for node in (f"text {n}", f"{SITE}/{n}.png")]
    counts = crawl.build({"p": [document(nodes)]}, archive)
    samples = crawl.samples()
    order: list[tuple[str, bytes]] = []
    for number, sample in enumerate(samples):
        fields = json.loads(sample["json"])
        assert fields["sequence"] == number
        assert len(fields["image_positions"]) <= 5
        urls = [fields["images"][position]["url"] for position in fields["image_positions"]]
        order += [(url, sample[f"{i}.png"]) for i, url in enumerate(urls)]
    assert order == list(archive.items())
    assert (counts["assemble"]["sequences"], counts["assemble"]["sequence_images"]) == (3, 13)


def test_shards_are_cut_by_size_and_hold_every_document_once_in_order(crawl: Crawl) -> None:
    crawl.sections["dataset"] = {"validation_fraction": 0, "shard_mib": 1}
    archive: dict[str, bytes | str] = {f"{SITE}/{n}.png": picture(n, (400, 250)) for n in range(12)}  # of 300 kB
    documents = [document([f"text {n}", f"{SITE}/{n}.png"], f"{SITE}/{n}") for n in range(12)]
    crawl.build({"b": documents[7:], "a": documents[:7]}, archive)
    shards = crawl.manifest.splits["train"]
    assert [shard.path for shard in shards.documents] == [f"documents/train-{n:05d}-of-00005.parquet" for n in range(5)]
    urls = [row["url"] for n in range(5) for row in crawl.documents(f"train-{n:05d}-of-00005")]
    assert urls == [f"{SITE}/{n}" for n in range(12)]
    assert all(shard.bytes < 1.1 * 2**20 for shard in shards.documents)


def test_the_manifest_counts_what_the_shards_hold(crawl: Crawl, in_place: Any) -> None:
    crawl.build({"p": [document(["text", f"{SITE}/1.png", f"{SITE}/2.png"])]}, {f"{SITE}/1.png": picture()})
    manifest = Manifest.from_json((in_place.folder / "run/dataset/dataset.json").read_bytes())
    assert manifest == crawl.manifest
    (documents,), (sequences,) = manifest.splits["train"].documents, manifest.splits["train"].sequences
    assert (documents.documents, documents.images, sequences.samples, sequences.images) == (1, 1, 1, 1)
    assert set(manifest.splits) == {"train"}
    card = (in_place.folder / "run/dataset/README.md").read_text()
    assert "| train | 1 | 1 | 1 | 1 |" in card
    assert "| too_small | images | shorter_side | 64 |  |" in card


def test_the_card_lists_refusals_and_its_examples_load_the_dataset(
    crawl: Crawl, in_place: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_place.folder / "refused.txt").write_text(f"{SITE}/2.png\n")
    crawl.sections["consent"] = {"opt_out": [str(in_place.folder / "refused.txt")]}
    urls = [f"{SITE}/1.png", f"{SITE}/2.png"]
    crawl.build({"p": [document(["text", *urls])]}, {url: picture() for url in urls})
    card = (in_place.folder / "run/dataset/README.md").read_text()
    assert "| images: refused by a header, a TDM reservation or a list | 1 |" in card
    assert "opt-out lists: 1;" in card
    assert "robots.txt: nothing was fetched from the web" in card
    monkeypatch.chdir(in_place.folder / "run/dataset")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(in_place.folder / "cache"))
    examples = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        exec(example, {})
        assert "text" in capsys.readouterr().out or "duckdb" in example


def test_a_shard_left_by_a_killed_attempt_is_removed(crawl: Crawl, in_place: Any) -> None:
    """Readers glob for `train-*.parquet`."""
    in_place.run.write("dataset/documents/train-00007-of-00009.parquet", "left behind")
    in_place.run.write("dataset/sequences/train-00007-of-00009.tar", "left behind")
    crawl.build({"p": [document(["text", f"{SITE}/1.png"])]}, {f"{SITE}/1.png": picture()})
    found = sorted(path.name for path in (in_place.folder / "run/dataset").rglob("*") if path.is_file())
    stem = "train-00000-of-00001"
    assert found == ["README.md", "dataset.json", f"{stem}.index.parquet", f"{stem}.parquet", f"{stem}.tar"]


def test_the_same_inputs_give_the_same_bytes(in_place: Any, archive_record: ArchiveRecord) -> None:
    archive: dict[str, bytes | str] = {f"{SITE}/{n}.png": picture(n) for n in range(7)}
    documents = [document(["text", f"{SITE}/{n}.png", "more"], f"{SITE}/{n}") for n in range(7)]
    hashes = []
    for name in ("first", "second"):
        work = type(in_place)(in_place.folder / name)
        Crawl(work, archive_record).build({"a": documents[:4], "b": documents[4:]}, archive)
        files = sorted(path for path in (work.folder / "run/dataset").rglob("*") if path.is_file())
        hashes.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 5


def test_chunks_end_where_a_shard_would() -> None:
    chunks = Chunks(100)
    for size in (60, 40, 1, 500, 30, 70, 1):
        chunks.add(size)
    assert chunks.closed() == [
        {"first": 0, "rows": 2, "bytes": 100},
        {"first": 2, "rows": 1, "bytes": 1},
        {"first": 3, "rows": 1, "bytes": 500},
        {"first": 4, "rows": 2, "bytes": 100},
        {"first": 6, "rows": 1, "bytes": 1},
    ]


def test_hosts_of_image_urls_stay_together() -> None:
    for n in range(50):
        groups = {group_of(f"{scheme}://Host-{n}.example/{p}", 7) for scheme in ("http", "https") for p in "abc"}
        assert len(groups) == 1
    assert len({group_of(f"data:,{n}", 7) for n in range(100)}) == 7, "what pages carry is spread out"
    assert len({group_of(f"http://host-{n}.example/", 7) for n in range(100)}) == 7


def test_rules_on_images_look_at_the_size_of_their_bytes(crawl: Crawl) -> None:
    crawl.sections["rules"] = {"image": {"too_light": {"signal": "bytes", "min": 10_000}}}
    archive: dict[str, bytes | str] = {f"{SITE}/1.png": picture(1), f"{SITE}/2.png": picture(2, colour="red")}
    crawl.build({"p": [document(["text", *archive])]}, archive)
    assert [image["status"] for image in crawl.documents()[0]["images"][1:]] == ["ok", "too_light"]
