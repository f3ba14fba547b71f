"""Rows → Arrow record batches: collected a few rows at a time, typed a few thousand at a time."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.types as is_

from queuack_stream.columns.arrays import FAILURES, direct_kinds, to_array
from queuack_stream.columns.declared import accepts
from queuack_stream.columns.kinds import NONE, Unfit, infer, infer_each
from queuack_stream.columns.lattice import join
from queuack_stream.errors import RowError

# Longer columns convert no faster and hold more Python objects.
BATCH_ROWS = 8192

# Types whose values are small whatever they are; all others are weighed.
_SMALL = frozenset({NONE, bool, int, float})
_VALUE_BYTES = 40  # a Python number or the head of a string, with its place in a list


class Column:
    """One column while it is collected: values, their Python types, and the Arrow type needed so far."""

    __slots__ = ("declared", "kinds", "name", "seen", "type", "values")

    def __init__(self, name: str, declared: pa.Field | None, missing: int) -> None:
        self.name = name
        self.declared = declared
        self.type: pa.DataType = declared.type if declared is not None else pa.null()
        self.values: list[Any] = [None] * missing
        self.kinds: set[type] = {NONE} if missing else set()
        self.seen: set[type] = set()

    def take(self, first_row: int) -> pa.Array:
        """The values so far as an array, widening the type where they need it, and begins anew.

        Raises:
            RowError: a value has no place in the column.
        """
        values, kinds = self.values, self.kinds
        self.values, self.kinds = [], set()
        self.seen |= kinds
        if self.declared is not None and NONE in kinds and not self.declared.nullable:
            raise self._refused(first_row, values, None, "it may not be None")
        if kinds <= direct_kinds(self.type):
            try:
                return pa.array(values, self.type)
            except FAILURES:
                pass  # an int beyond 64 bits, or text that is not Unicode: looked at value by value below
        try:
            return self._take_declared(values) if self.declared is not None else self._take_widening(values)
        except Unfit as unfit:
            raise self._refused(first_row, values, unfit.value, unfit.why) from unfit

    def _take_widening(self, values: list[Any]) -> pa.Array:
        found = infer(values)
        joined = join(self.type, found)
        if joined is None:
            for value in values:  # name the first value that doesn't go with what came before
                if join(self.type, infer([value])) is None:
                    raise Unfit(value, f"the column holds {self.type} so far, which takes no such value")
            raise Unfit(
                values[0], f"the column holds {self.type} so far, which doesn't go together with {found}"
            )
        self.type = joined
        return to_array(values, joined)

    def _take_declared(self, values: list[Any]) -> pa.Array:
        for same, found in infer_each(values):
            if not accepts(self.type, found):
                value = next(value for value in same if not accepts(self.type, infer([value])))
                raise Unfit(value, f"the column is declared {self.type}")
        return to_array(values, self.type)

    def _refused(self, first_row: int, values: list[Any], value: object, why: str) -> RowError:
        at = next((i for i, found in enumerate(values) if found is value or _holds(found, value)), 0)
        return RowError(
            first_row + at,
            self.name,
            value,
            why,
            "Convert it in the generator, declare the column with schema=, or write JSONL or pickle.",
        )

    def field(self) -> pa.Field:
        """The column's name and type, with a mark where whole numbers outgrew 64 bits."""
        if self.declared is not None:
            return self.declared
        whole = is_.is_decimal(self.type) and self.type.scale == 0 and self.seen <= {NONE, bool, int}
        return pa.field(self.name, self.type, metadata=WHOLE if whole else None)


WHOLE = {b"queuack": b"int"}  # a decimal column that comes back as Python ints


class Gatherer:
    """Collects rows into columns; new columns may appear at any row, and missing ones count as None."""

    def __init__(self, schema: pa.Schema | None) -> None:
        self._closed = schema is not None
        self.columns = {field.name: Column(field.name, field, 0) for field in schema or ()}
        self.rows_taken = 0
        self.rows_held = 0
        self.bytes_held = 0

    def add(self, rows: list[Any]) -> int:
        """Takes in some rows; returns about how many bytes their values come to. Raises RowError."""
        size = 0
        columns = self.columns
        try:
            whole = sum(map(len, rows)) == len(rows) * len(columns)
            found = [[row[name] for row in rows] for name in columns] if whole else None
        except (KeyError, TypeError, IndexError):
            found = None
        if found is None:
            found = self._add_uneven(rows)
        for column, values in zip(columns.values(), found, strict=True):
            column.values += values
            kinds = set(map(type, values))
            column.kinds |= kinds
            if not kinds <= _SMALL:
                size += sum(map(weigh, values)) if kinds != _TEXT else sum(map(len, values))
        size += len(rows) * len(columns) * _VALUE_BYTES
        self.rows_held += len(rows)
        self.bytes_held += size
        return size

    def _add_uneven(self, rows: list[Any]) -> list[list[Any]]:
        start = self.rows_taken + self.rows_held
        for at, row in enumerate(rows):
            if not isinstance(row, Mapping) or not row:
                why = "a row must be a dict with at least one column"
                raise RowError(
                    start + at, None, row, why, "Yield dicts, or write pickle, which takes anything."
                )
            for name in row:
                if name not in self.columns:
                    self._open(name, start + at, row)
        return [[row.get(name) for row in rows] for name in self.columns]

    def _open(self, name: Any, row_number: int, row: Mapping[Any, Any]) -> None:
        if not isinstance(name, str):
            raise RowError(
                row_number, repr(name), row[name], "a column's name must be a string", "Rename it."
            )
        if self._closed:
            why = f"the declared schema has no such column; it has {list(self.columns)}"
            raise RowError(row_number, name, row[name], why, "Add it to schema=, or leave it out of the row.")
        self.columns[name] = Column(name, None, self.rows_held)

    def take(self) -> pa.RecordBatch:
        """The rows held, as one batch in the types known so far, and begins anew. Raises RowError."""
        arrays = [column.take(self.rows_taken) for column in self.columns.values()]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema())
        self.rows_taken += self.rows_held
        self.rows_held = self.bytes_held = 0
        return batch

    def schema(self) -> pa.Schema:
        """The columns and types so far."""
        return pa.schema([column.field() for column in self.columns.values()])


_TEXT = {str}


def weigh(value: Any) -> int:
    """About how many bytes a value holds, with what is in it."""
    if isinstance(value, dict):
        return 64 + sum(weigh(key) + weigh(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return 64 + sum(map(weigh, value))
    return sys.getsizeof(value)


def _holds(outer: Any, value: object) -> bool:
    """Whether a nested value holds the very object that was refused."""
    if isinstance(outer, Mapping):
        return any(key is value or item is value or _holds(item, value) for key, item in outer.items())
    if isinstance(outer, list | tuple | set | frozenset):
        return any(item is value or _holds(item, value) for item in outer)
    return False
