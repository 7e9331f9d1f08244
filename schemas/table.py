"""Converts rows to Arrow tables and checks them against the schema; errors show the row and the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa


class SchemaError(ValueError):
    """A row does not fit its Arrow schema."""


def to_table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """`rows` as a table of exactly `schema`.

    pyarrow by itself drops unknown keys, fills missing ones with null, allows nulls in fields that forbid them and
    truncates 1.5 to 1. Here each of these, and any value of a wrong type, raises `SchemaError`.
    """
    contract = _structure(pa.struct(list(schema)))
    for number, row in enumerate(rows):
        if problem := _misfit(row, contract):
            raise _mismatch(f"row {number} {problem}", row, schema)
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
        number = next((n for n, row in enumerate(rows) if not _fits(row, schema)), 0)
        raise _mismatch(f"row {number}: {error}", rows[number], schema) from error
    _check_parallel(rows, schema)
    return table


def _check_parallel(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    """Check that `texts`, `images` and `image_bytes` have the same length, with one node at each index."""
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


@dataclass(frozen=True)
class _Structure:
    """The constraints of a struct that pyarrow does not check."""

    names: frozenset[str]
    required: tuple[str, ...]
    """Fields that forbid null."""
    strict: tuple[tuple[str, tuple[type, ...]], ...]
    """Fields, and the types whose values pyarrow would silently convert to the field's own."""
    inner: tuple[tuple[str, bool, _Structure], ...]
    """Fields that are structs, or lists of structs (True)."""


@cache
def _structure(struct: pa.StructType) -> _Structure:
    inner = []
    for field in struct:
        is_list = pa.types.is_list(field.type)
        kind = field.type.value_type if is_list else field.type
        if pa.types.is_struct(kind):
            inner.append((field.name, is_list, _structure(kind)))
    return _Structure(
        frozenset(field.name for field in struct),
        tuple(field.name for field in struct if not field.nullable),
        tuple((field.name, turned) for field in struct if (turned := _silently_turned(field.type))),
        tuple(inner),
    )


def _silently_turned(kind: pa.DataType) -> tuple[type, ...]:
    if pa.types.is_integer(kind):
        return (float,)  # 1.5 becomes 1
    if pa.types.is_floating(kind):
        return (bool,)
    if pa.types.is_string(kind):
        return (bytes,)
    if pa.types.is_binary(kind):
        return (str,)
    return (int, float) if pa.types.is_timestamp(kind) else ()


def _misfit(value: Any, structure: _Structure) -> str | None:
    """Which keys, nulls or types of `value`, or of structs within it, break the schema; None if none do."""
    if not isinstance(value, dict):
        return None  # pyarrow reports it
    if value.keys() != structure.names:
        return _difference(set(value), structure.names)
    for name in structure.required:
        if value[name] is None:
            return f"has a null in {name}, which forbids it"
    for name, turned in structure.strict:
        if isinstance(value[name], turned):
            return f"has a {type(value[name]).__name__} in {name}: {_describe(value[name])}"
    for name, is_list, inner in structure.inner:
        values = (value[name] or ()) if is_list else (value[name],)
        for item in values if isinstance(values, list | tuple) else ():
            if problem := _misfit(item, inner):
                return f"in {name} {problem}"
    return None


def _fits(row: dict[str, Any], schema: pa.Schema) -> bool:
    try:
        pa.Table.from_pylist([row], schema=schema)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return False
    return True


def _difference(keys: set[str], wanted: frozenset[str]) -> str:
    missing, unknown = sorted(wanted - keys), sorted(keys - wanted)
    parts = [f"lacks {', '.join(missing)}"] if missing else []
    return " and ".join(parts + ([f"has the unknown {', '.join(unknown)}"] if unknown else []))


def _mismatch(problem: str, row: dict[str, Any], schema: pa.Schema) -> SchemaError:
    values = "\n".join(f"  {name}: {_describe(value)}" for name, value in row.items())
    contract = "\n".join(f"  {field}" for field in schema)
    return SchemaError(f"{problem}\nthe row:\n{values}\nthe contract:\n{contract}")


def _describe(value: Any) -> str:
    try:
        kind = str(pa.array([value]).type)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        kind = type(value).__name__
    text = repr(value)
    return f"{kind} = {text if len(text) <= 60 else text[:57] + '...'}"
