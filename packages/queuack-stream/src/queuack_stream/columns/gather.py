"""Rows → Arrow record batches: collected a few rows at a time, typed a few thousand at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from queuack_stream.columns.column import Column
from queuack_stream.errors import RowError

# Longer columns convert no faster and hold more Python objects.
BATCH_ROWS = 8192

_VALUE_BYTES = 40  # a Python number or the head of a string, with its place in a list


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
            size += column.add(values)
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
