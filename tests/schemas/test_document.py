"""The names of documents, and rows as the contract fixes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from m3w.schemas.document import InterleavedDocument, dataset_schema, document_id, document_schema

NOON = datetime(2020, 1, 2, 12, tzinfo=UTC)


def test_the_id_of_a_page_is_the_same_anywhere() -> None:
    """Fixed: datasets on disk hold these."""
    assert document_id("http://a.example/", NOON) == "b03f876680578722b8e9ea1336707c84"
    assert document_id("http://a.example/", None) == "99db52d008fe16d9d74bec6db4c0177b"


def test_the_id_depends_on_the_moment_and_not_on_its_time_zone() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert document_id("http://a.example/", tokyo) == document_id("http://a.example/", NOON)
    assert document_id("http://a.example/", NOON + timedelta(microseconds=1)) != document_id("http://a.example/", NOON)
    assert document_id("http://b.example/", NOON) != document_id("http://a.example/", NOON)


def test_a_document_gets_its_id_from_its_url_and_moment() -> None:
    document = InterleavedDocument(url="http://a.example/", texts=[], images=[], crawled_at=NOON)
    assert document.document_id == document_id("http://a.example/", NOON)


def test_a_url_with_invalid_unicode_has_an_id() -> None:
    assert len(document_id("http://a.example/\ud800", None)) == 32


def test_the_columns_are_those_that_users_rely_on() -> None:
    fixed = {
        "document_id": "string", "url": "string", "title": "string", "crawled_at": "timestamp[us, tz=UTC]",
        "warc_path": "string", "warc_offset": "int64", "warc_length": "int64", "language": "string",
        "language_score": "float", "texts": "list<item: string>", "image_bytes": "list<item: binary>",
    }  # fmt: skip
    schema = dataset_schema(["words"])
    assert {name: str(schema.field(name).type) for name in fixed} == fixed
    image = schema.field("images").type.value_type
    assert [field.name for field in image] == [
        "url", "alt", "caption", "declared_width", "declared_height", "sha256", "mime", "width", "height", "phash",
        "status", "fetched_at",
    ]  # fmt: skip
    assert "image_bytes" not in document_schema(["words"]).names
