"""Rows to Arrow tables under a contract: what a row breaks is said with the contract beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


class SchemaError(ValueError):
    """A row does not fit its Arrow schema."""


def to_table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """`rows` as a table of exactly `schema`.

    pyarrow alone drops unknown keys, fills missing ones with null and lets nulls into fields that
    forbid them; here each of these, and any value of a wrong type, raises `SchemaError`.
    """
    names = set(schema.names)
    for number, row in enumerate(rows):
        if row.keys() != names:
            raise _mismatch(f"row {number} {_difference(set(row), names)}", row, schema)
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError) as error:
        number = next((n for n, row in enumerate(rows) if not _fits(row, schema)), 0)
        raise _mismatch(f"row {number}: {error}", rows[number], schema) from error
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            number = table[field.name].to_pylist().index(None)
            raise _mismatch(f"row {number} has a null in {field.name}, which forbids it", rows[number], schema)
    _check_parallel(table, rows, schema)
    return table


def _check_parallel(table: pa.Table, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    """`texts`, `images` and `image_bytes` are as long as each other, with one node at each index."""
    if not {"texts", "images"} <= set(schema.names):
        return
    for number, row in enumerate(rows):
        if len(row["texts"]) != len(row["images"]):
            problem = f"row {number} has {len(row['texts'])} texts beside {len(row['images'])} images"
            raise _mismatch(problem, row, schema)
        for i, (text, image) in enumerate(zip(row["texts"], row["images"], strict=True)):
            if (text is None) == (image is None):
                raise _mismatch(f"row {number} needs either a text or an image at index {i}", row, schema)
        if "image_bytes" in row and len(row["image_bytes"]) != len(row["images"]):
            problem = f"row {number} has {len(row['image_bytes'])} image_bytes for {len(row['images'])} images"
            raise _mismatch(problem, row, schema)


def _fits(row: dict[str, Any], schema: pa.Schema) -> bool:
    try:
        pa.Table.from_pylist([row], schema=schema)
    except (pa.ArrowException, OverflowError, TypeError):
        return False
    return True


def _difference(found: set[str], wanted: set[str]) -> str:
    missing, unknown = sorted(wanted - found), sorted(found - wanted)
    parts = [f"lacks {', '.join(missing)}"] if missing else []
    return " and ".join(parts + ([f"has the unknown {', '.join(unknown)}"] if unknown else []))


def _mismatch(problem: str, row: dict[str, Any], schema: pa.Schema) -> SchemaError:
    given = "\n".join(f"  {name}: {_describe(value)}" for name, value in row.items())
    contract = "\n".join(f"  {field}" for field in schema)
    return SchemaError(f"{problem}\nthe row:\n{given}\nthe contract:\n{contract}")


def _describe(value: Any) -> str:
    try:
        kind = str(pa.array([value]).type)
    except (pa.ArrowException, OverflowError, TypeError):
        kind = type(value).__name__
    text = repr(value)
    return f"{kind} = {text if len(text) <= 60 else text[:57] + '...'}"
