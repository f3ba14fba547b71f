"""Conditions on Arrow data: which row groups can't match, and which rows of a batch do."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.types as is_

from queuack_stream.asking import OPERATORS, Ask, Test
from queuack_stream.errors import QueryError, shown

_COMPARE = {
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


def narrowed(batch: pa.RecordBatch, ask: Ask) -> pa.RecordBatch:
    """The asked rows and columns of a batch. Raises QueryError where a comparison is impossible."""
    for test in ask.tests:
        batch = batch.filter(_mask(batch.column(test.column), test))
    return batch if ask.columns is None else batch.select(list(ask.columns))


def _mask(column: pa.Array, test: Test) -> pa.Array:
    import pyarrow.compute as pc  # takes 0.1 s, so only where something is compared

    try:
        if test.op not in _COMPARE:
            found = pc.is_in(column, value_set=pa.array(test.value, column.type))
            return found if test.op == "in" else pc.and_(pc.invert(found), column.is_valid())
        return getattr(pc, _COMPARE[test.op])(column, _scalar(test.value, column.type))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise QueryError(
            f"where({test.column!r}, {test.op!r}, {shown(test.value)}): the column is {column.type};"
            f" compare with a value of that type ({error})"
        ) from error


def _scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    try:
        found = pa.scalar(value, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.scalar(value)  # 2.5 against a column of ints compares as numbers do
    if is_.is_temporal(kind) and found.as_py() != value:
        return pa.scalar(value)  # Arrow cut off a part of a second, of a day, or took no zone for UTC
    return found


def may_hold(group: Any, ask: Ask) -> bool:
    """Whether a Parquet row group can hold a row that meets all conditions, from its statistics."""
    if not ask.tests:
        return True
    chunks: dict[str, Any] = {}
    for at in range(group.num_columns):
        chunk = group.column(at)
        # A column called "a.b" and the field b of a column a have one path: which is which can't be told.
        chunks[chunk.path_in_schema] = None if chunk.path_in_schema in chunks else chunk
    return all(_chunk_may_hold(chunks.get(test.column), test) for test in ask.tests)


def _chunk_may_hold(chunk: Any, test: Test) -> bool:
    if chunk is None or chunk.physical_type == "FLOAT":
        return True  # rows compare with 0.1 as 32 bits hold it, and the statistics are of 64 bits
    found = chunk.statistics
    return found is None or not found.has_min_max or _overlaps(test, found.min, found.max)


def _overlaps(test: Test, low: Any, high: Any) -> bool:
    try:
        if test.op in ("<", "<="):
            return OPERATORS[test.op](low, test.value)
        if test.op in (">", ">="):
            return OPERATORS[test.op](high, test.value)
        if test.op == "==":
            return bool(low <= test.value <= high)
        if test.op == "in":
            return any(low <= value <= high for value in test.value)
    except TypeError:
        pass  # a type that Python compares differently from Arrow: the rows decide
    return True
