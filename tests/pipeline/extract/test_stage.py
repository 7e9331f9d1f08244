"""Stage `extract`: every record under one counter, every fault with its offset, a bad page costs itself."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.engine.ledger import LedgerEntry
from m3w.pipeline.extract import extract_page, extractors
from m3w.pipeline.extract.stage import extract
from m3w.pipeline.filters.signals import DOCUMENT_SCHEMA
from m3w.pipeline.tables import ARCHIVED_IMAGES, EXTRACTED

ArchiveRecord = Callable[..., bytes]


def page(title: str = "Foxes", image: str = '<img src="/fox.jpg" alt="a fox">', extra: str = "") -> bytes:
    text = "The red fox lives in woods and fields, and in the towns of the north as well. " * 6
    return f"""<!doctype html><html><head><title>{title}</title>{extra}</head><body>
    <article><h1>{title}</h1><p>{text}</p>{image}<p>{text}</p></article></body></html>""".encode()


def dropped(entry: LedgerEntry, noun: str) -> int:
    return sum(count for name, count in entry.counters.items() if name.startswith(f"{noun}."))


def assert_nothing_is_lost(entry: LedgerEntry) -> None:
    count = lambda name: entry.counters.get(name, 0)  # noqa: E731
    assert count("records") == dropped(entry, "records_passed") + count("responses")
    assert count("responses") == count("pages") + count("images_in_archive") + dropped(entry, "responses_dropped")
    assert count("pages") == count("documents") + dropped(entry, "pages_dropped")


@pytest.fixture
def read(in_place: Any) -> Callable[..., LedgerEntry]:
    def read(content: bytes, **sections: Any) -> LedgerEntry:
        path = in_place.folder / "crawl.warc"
        path.write_bytes(content)
        entry: LedgerEntry = in_place.part(extract, "part", in_place.recipe(**sections), path=str(path))
        assert_nothing_is_lost(entry)
        return entry

    return read


def test_what_gives_no_document_leaves_a_sample_of_each_reason(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    pages = [archive_record(f"http://a.example/{n}", page("Wolves", image="")) for n in range(5)]
    answers = [archive_record("http://a.example/gone", b"", status="404 Not Found")]
    answers += [archive_record("http://a.example/style.css", b"a {}", content_type="text/css")]
    read(b"".join([*pages, *answers]), drops={"keep_per_reason": 2})
    rows = in_place.rows_at("drops/extract/part.parquet")
    assert [(row["kind"], row["reason"]) for row in rows] == [
        ("page", "no_image"),
        ("page", "no_image"),
        ("response", "http_status"),
        ("response", "not_html"),
    ]
    assert rows[0]["text"].startswith("The red fox") and rows[2]["text"] is None
    assert rows[2]["url"] == "http://a.example/gone" and len(rows[2]["document_id"]) == 32


def test_what_a_document_leaves_out_of_its_page_has_examples_by_reason(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    pixels = '<img src="fox.jpg"><img src="one.gif" width="1"><img src="two.gif" width="1"><img src="/blank.gif">'
    entry = read(b"".join(archive_record(f"http://a.example/{n}", page(image=pixels)) for n in range(5)))
    assert entry.counters["image_references_dropped.image_pixel"] == 10
    rows = in_place.rows_at("drops/extract/part.parquet")
    assert [(row["kind"], row["reason"], row["image_url"]) for row in rows] == [
        *[("image_reference", "image_pixel", rows[n]["image_url"]) for n in range(3)],
        *[("image_reference", "image_placeholder", "/blank.gif")] * 3,
    ]
    assert {row["image_url"] for row in rows[:3]} <= {"one.gif", "two.gif"}


def test_a_corrected_page_is_not_counted_as_a_dropped_reference(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    long = page(image=f'<img src="/fox.jpg"><p {" ".join(f"a{n}" for n in range(11_000))}>')
    entry = read(archive_record("http://a.example/", long))
    assert entry.counters["pages_mended.page_tag_cut"] == 1
    assert not [name for name in entry.counters if name.startswith("image_references_dropped")]


def test_a_page_with_an_image_becomes_a_document(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    first = archive_record(kind="warcinfo", body=b"x")
    record = archive_record("http://a.example/fox", page())
    entry = read(first + record)
    (row,) = in_place.rows(EXTRACTED, "part")
    assert (row["url"], row["title"], row["language"]) == ("http://a.example/fox", "Foxes", "en")
    assert (row["warc_path"], row["warc_offset"], row["warc_length"]) == (
        str(in_place.folder / "crawl.warc"), len(first), len(record) - 4,
    )  # fmt: skip
    assert row["crawled_at"].isoformat() == "2020-01-02T03:04:05+00:00"
    assert [image["url"] for image in row["images"] if image] == ["http://a.example/fox.jpg"]
    assert row["signals"]["image_nodes"] == 1
    assert row["signals"]["words"] == sum(len(text.split()) for text in row["texts"] if text)
    assert entry.counters == {
        "documents": 1, "image_references": 1, "pages": 1, "records": 2, "records_passed.warcinfo": 1, "responses": 1,
    }  # fmt: skip
    assert {output.path: output.rows for output in entry.outputs} == {
        "documents/extracted/part.parquet": 1, "images/archive/part.parquet": 0,
    }  # fmt: skip


def test_each_way_not_to_be_a_document_has_its_counter(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    url = "http://a.example/"
    entry = read(
        b"".join(
            (
                archive_record(url, page(), status="404 Not Found"),
                archive_record(url, page(), status="301 Moved"),
                archive_record(url, b"{}", content_type="application/json"),
                archive_record("urn:x:1", page()),
                archive_record("ftp://a.example/", page()),
                archive_record("http://a.example/1.png", b"PNG", content_type="image/png"),
                archive_record(url, page(), kind="resource"),
                archive_record(url, page(), kind="something-new"),
                archive_record(url, page(image="")),
                archive_record(url, b""),
                archive_record(url, page() + b"x" * 2**20),
                archive_record(url, gzip.compress(page() + b"x" * 2**20), headers=("Content-Encoding: gzip",)),
                archive_record(url, page(), headers=("Content-Encoding: zstd",)),
                archive_record(url, page()),
            )
        ),
        extract={"max_page_mib": 1},
    )
    assert {name: count for name, count in entry.counters.items() if "." in name} == {
        "records_passed.resource": 1,
        "records_passed.other": 1,
        "responses_dropped.http_status": 2,
        "responses_dropped.not_html": 1,
        "responses_dropped.not_http": 2,
        "pages_dropped.no_image": 1,
        "pages_dropped.empty_page": 1,
        "pages_dropped.page_too_large": 1,
        "pages_dropped.body_too_large": 1,
        "pages_dropped.body_unsupported_encoding": 1,
        "faults.body_too_large": 1,
        "faults.body_unsupported_encoding": 1,
    }
    assert (entry.counters["documents"], entry.counters["images_in_archive"]) == (1, 1)
    assert [row["reason"] for row in in_place.rows_at("quarantine/extract/part.parquet")] == [
        "body_too_large", "body_unsupported_encoding",
    ]  # fmt: skip


def test_a_page_without_a_type_is_known_by_its_first_bytes(
    read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    untyped = [
        archive_record(f"http://a.example/{n}", body, content_type="") for n, body in enumerate((page(), b"\x00\x01"))
    ]
    named = archive_record(
        "http://a.example/3", page(), content_type="", warc_headers=("WARC-Identified-Payload-Type: text/html",)
    )
    odd = archive_record("http://a.example/4", page(), content_type="Text/HTML;charset=x")
    entry = read(b"".join((*untyped, named, odd)))
    assert (entry.counters["documents"], entry.counters["responses_dropped.not_html"]) == (3, 1)


def test_an_extractor_that_raises_costs_that_page_only(
    in_place: Any,
    read: Callable[..., LedgerEntry],
    archive_record: ArchiveRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fragile(html: bytes, url: str, *args: Any, **settings: Any) -> Any:
        if url.endswith("/2"):
            raise RecursionError("too deep")
        return extract_page(html, url, *args, **settings)

    monkeypatch.setattr(extractors, "extract_page", fragile)
    records = [archive_record(f"http://a.example/{n}", page()) for n in range(4)]
    entry = read(b"".join(records))
    assert [row["url"][-1] for row in in_place.rows(EXTRACTED, "part")] == ["0", "1", "3"]
    assert entry.counters["pages_dropped.extractor_error"] == 1
    (fault,) = entry.faults
    assert (fault.offset, fault.url) == (sum(map(len, records[:2])), "http://a.example/2")
    assert fault.detail == "RecursionError: too deep"


@pytest.mark.parametrize(
    "html",
    [
        page(title="&#xD800; &#xDFFF; &#0;"),
        page(title="\x00"),
        page(image='<img src="/fox.jpg" width="99999999999999999999" height="-5">'),
        page(image='<img src="/fox.jpg" width="1e400" height="\u0664\u0662">'),
        page(image='<img src="http://[bad/fox.jpg"><img src="/fox.jpg" alt="&#xD800;">'),
        page(image='<figure><img src="/fox.jpg"><figcaption>&#xDC00;\x0b</figcaption></figure>'),
        page(extra='<base href="http://[bad/"><link rel=canonical href="http://[bad"><html lang="\x00">'),
        page(image="<img src=/fox.jpg>" + "<div>" * 5000 + "deep"),
    ],
    ids=["surrogates", "nul", "huge width", "odd width", "odd alt", "odd caption", "odd head", "deep"],
)
def test_no_page_breaks_the_table_that_it_is_written_to(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord, html: bytes
) -> None:
    good = archive_record("http://a.example/good", page())
    entry = read(archive_record("http://a.example/odd", html) + good)
    assert entry.counters["pages"] == 2
    assert in_place.rows(EXTRACTED, "part")[-1]["url"] == "http://a.example/good"


@pytest.mark.parametrize(
    "url", ["http://[bad/", "http://ex\u2100mple.com/", "http://a.example/\u72d0", "HTTP://A.example:99999/"]
)
def test_an_invalid_page_url_costs_at_most_the_page(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord, url: str
) -> None:
    record = archive_record("http://a.example/good", page())
    read(record.replace(b"http://a.example/good", url.encode()) + record)
    assert in_place.rows(EXTRACTED, "part")[-1]["url"] == "http://a.example/good"


def test_image_responses_are_indexed_by_position_and_failures_by_status(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    records = [
        archive_record("http://a.example/1.png", b"PNG", content_type="image/png"),
        archive_record("http://a.example/2.png", b"gone", status="404 Not Found"),
        archive_record("http://a.example/", page()),
        archive_record("http://a.example/3.svg", b"<svg/>", content_type="IMAGE/svg+xml"),
    ]
    read(b"".join(records))
    offsets = [sum(map(len, records[:n])) for n in range(4)]
    assert [(row["url"], row["status"], row["warc_offset"]) for row in in_place.rows(ARCHIVED_IMAGES, "part")] == [
        ("http://a.example/1.png", 200, offsets[0]),
        ("http://a.example/2.png", 404, offsets[1]),
        ("http://a.example/3.svg", 200, offsets[3]),
    ]


def test_faults_of_the_archive_are_counted_named_and_kept(
    in_place: Any, read: Callable[..., LedgerEntry], archive_record: ArchiveRecord
) -> None:
    first, bad = archive_record("http://a.example/1", page()), archive_record("http://a.example/2", length="x")
    entry = read(first + bad + archive_record("http://a.example/3", page()))
    assert (entry.counters["documents"], entry.counters["faults.bad_content_length"]) == (2, 1)
    (row,) = in_place.rows_at("quarantine/extract/part.parquet")
    (fault,) = entry.faults
    assert row == fault.model_dump()
    assert (row["offset"], row["reason"], row["url"]) == (len(first), "bad_content_length", "http://a.example/2")


def test_the_same_file_gives_the_same_bytes(read: Callable[..., LedgerEntry], archive_record: ArchiveRecord) -> None:
    content = b"".join(archive_record(f"http://a.example/{n}", page(str(n))) for n in range(5)) + b"junk"
    assert read(content).outputs == read(content).outputs


def test_every_archive_of_the_real_world_goes_through(in_place: Any, shared_data: Path) -> None:
    total = 0
    for number, path in enumerate(sorted((shared_data / "warc").rglob("*"))):
        if path.is_file():
            entry = in_place.part(extract, f"{number}", path=str(path))
            assert_nothing_is_lost(entry)
            assert entry.counters.get("records") or entry.faults, path
            for row in in_place.rows(EXTRACTED, f"{number}"):
                assert len(row["texts"]) == len(row["images"])
                assert set(row) == set(DOCUMENT_SCHEMA.names)
            total += entry.counters.get("documents", 0)
    assert total > 15
