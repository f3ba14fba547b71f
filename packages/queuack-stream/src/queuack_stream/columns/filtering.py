"""Conditions on Arrow data: which row groups can't match, and which rows of a batch do."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

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
        return pa.scalar(value, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.scalar(value)  # 2.5 against a column of ints compares as numbers do


def may_hold(group: Any, ask: Ask) -> bool:
    """Whether a Parquet row group can hold a row that meets all conditions, from its statistics."""
    if not ask.tests:
        return True
    bounds = {}
    for at in range(group.num_columns):
        chunk = group.column(at)
        found = chunk.statistics
        if found is not None and found.has_min_max:
            bounds[chunk.path_in_schema] = (found.min, found.max)
    return all(test.column not in bounds or _overlaps(test, *bounds[test.column]) for test in ask.tests)


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
