"""A row that breaks its schema is an error that shows both; a valid row is read back unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from m3w.schemas.document import ImageReference, InterleavedDocument, dataset_schema, document_schema
from m3w.schemas.table import SchemaError, to_table

DOCUMENT_SIGNALS = ("words", "characters")
DOCUMENT_SCHEMA, DATASET_SCHEMA = document_schema(DOCUMENT_SIGNALS), dataset_schema(DOCUMENT_SIGNALS)


def document() -> InterleavedDocument:
    image = ImageReference(url="http://a.example/1.jpg", alt="a fox", declared_width=640, status="ok")
    return InterleavedDocument(
        url="http://a.example/",
        title="A page",
        texts=["before", None, "after"],
        images=[None, image, None],
        crawled_at=datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        opt_out=["noai"],
        signals=dict.fromkeys(DOCUMENT_SIGNALS, 2.0),
    )


def row(**changes: Any) -> dict[str, Any]:
    return {**document().row(), **changes}


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def image(**changes: Any) -> dict[str, Any]:
    image = document().row()["images"][1]
    return {**image, **changes}


def test_a_document_comes_back_as_it_was_written() -> None:
    (back,) = to_table([document().row()], DOCUMENT_SCHEMA).to_pylist()
    assert InterleavedDocument.from_row(back) == document()


def test_a_document_of_the_dataset_comes_back_with_its_images_bytes() -> None:
    (back,) = to_table([row(image_bytes=[None, b"\xff\xd8", None])], DATASET_SCHEMA).to_pylist()
    assert back["image_bytes"] == [None, b"\xff\xd8", None]
    assert InterleavedDocument.from_row(back) == document()


def test_no_rows_are_a_table_of_the_schema() -> None:
    assert to_table([], DATASET_SCHEMA).schema == DATASET_SCHEMA


BROKEN = {
    "missing key": (without(row(), "title"), "lacks title"),
    "unknown key": (row(colour="red"), "unknown colour"),
    "both": (without(row(colour="red"), "title"), "lacks title and has the unknown colour"),
    "string for a number": (row(warc_offset="12"), "warc_offset"),
    "fraction for an integer": (row(warc_offset=1.5), "1.5"),
    "number for a string": (row(title=5), "title"),
    "string for a list": (row(texts="before"), "texts"),
    "number for a list of structs": (row(images=3), "images"),
    "whole fraction for an integer": (row(images=[None, image(width=640.0), None]), "in images has a float in width"),
    "bytes for a string": (row(title=b"A page"), "has a bytes in title"),
    "truth for a number": (row(language_score=True), "has a bool in language_score"),
    "number for a time": (row(crawled_at=5), "has a int in crawled_at"),
    "text for a time": (row(crawled_at="2020-01-02"), "crawled_at"),
    "number out of range": (row(images=[None, image(width=2**31), None]), "images"),
    "a string that is no Unicode": (row(title="\ud800"), "title"),
    "null url": (row(url=None), "null in url"),
    "null texts": (row(texts=None), "null in texts"),
    "null images": (row(images=None), "null in images"),
    "image without url": (row(images=[None, image(url=None), None]), "in images has a null in url"),
    "image with unknown key": (row(images=[None, image(colour="red"), None]), "in images has the unknown colour"),
    "image with missing key": (row(images=[None, without(image(), "alt"), None]), "in images lacks alt"),
    "unknown signal": (row(signals={**document().signals, "beauty": 1.0}), "in signals has the unknown beauty"),
    "missing signal": (row(signals={"words": 1.0}), "in signals lacks"),
    "lists of two lengths": (row(texts=["before", None]), "2 texts beside 3 images"),
    "text and image at once": (row(texts=["before", "during", "after"]), "either a text or an image at index 1"),
    "neither text nor image": (row(texts=["before", None, None]), "either a text or an image at index 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_breaks_the_contract_is_refused_with_both_shown(name: str) -> None:
    broken, problem = BROKEN[name]
    with pytest.raises(SchemaError) as error:
        to_table([document().row(), broken], DOCUMENT_SCHEMA)
    message = str(error.value)
    assert message.startswith("row 1")
    assert problem in message
    assert "the row:\n" in message
    assert "url: string = 'http://a.example/'" in message or "url: null = None" in message
    assert "the contract:\n" in message
    assert "warc_offset: int64" in message
    assert "url: string not null" in message


def test_image_bytes_must_be_as_many_as_images() -> None:
    with pytest.raises(SchemaError, match="2 image_bytes for 3 images"):
        to_table([row(image_bytes=[None, b"x"])], DATASET_SCHEMA)


def test_nulls_are_allowed_where_the_contract_allows_them() -> None:
    nothing_known = InterleavedDocument(url="u", texts=["x"], images=[None], signals=document().signals)
    assert to_table([nothing_known.row()], DOCUMENT_SCHEMA).num_rows == 1


def test_any_schema_is_held_to() -> None:
    schema = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("count", pa.int32())])
    assert to_table([{"name": "a", "count": None}], schema).to_pylist() == [{"name": "a", "count": None}]
    with pytest.raises(SchemaError, match="row 0"):
        to_table([{"name": None, "count": 1}], schema)
    with pytest.raises(SchemaError, match="count"):
        to_table([{"name": "a", "count": "many"}], schema)
