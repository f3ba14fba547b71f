"""One file of one schema from batches whose schema grows: a segment per schema, joined at the end.

Most files have one segment, which then is the file; only a type that widens, or a column that appears,
after the first group of rows was written makes a second one, and only then is anything written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from queuack_stream.columns.arrays import FAILURES, recast
from queuack_stream.columns.gather import BATCH_ROWS, Gatherer
from queuack_stream.columns.kinds import Unfit
from queuack_stream.errors import RowError


class TableSink(Protocol):
    """An open file of one schema."""

    def write_table(self, table: pa.Table) -> None:
        """Adds a group of rows."""

    def close(self) -> None:
        """Completes the file."""


OpenSink = Callable[[Path, pa.Table], TableSink]
ReadBack = Callable[[Path], Iterator[pa.Table]]


class SegmentedEncoder:
    """Writes rows as groups of columns; `open_sink` and `read_back` know the file format.

    A group closes at `group_rows` rows or `max_bytes` bytes of Arrow data, whichever comes first.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema | None,
        open_sink: OpenSink,
        read_back: ReadBack,
        *,
        group_rows: int,
        max_bytes: int,
    ) -> None:
        self._path = path
        self._gatherer = Gatherer(schema)
        self._open_sink = open_sink
        self._read_back = read_back
        self._group_rows = group_rows
        self._max_bytes = max_bytes
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._sink: TableSink | None = None
        self._segments: list[tuple[Path, pa.Schema]] = []

    def write(self, rows: list[Any]) -> int:
        """Takes rows in; a batch or a group of them goes on when it is full."""
        gatherer = self._gatherer
        room = min(BATCH_ROWS, self._group_rows - self._pending_rows) - gatherer.rows_held
        if len(rows) > room:
            return self.write(rows[:room]) + self.write(rows[room:])
        size = gatherer.add(rows)
        if len(rows) == room or gatherer.bytes_held >= self._max_bytes // 2:
            self._take()
        return size

    def finish(self) -> None:
        """Writes what is held and makes one file of the segments."""
        if self._gatherer.rows_held:
            self._take()
        if self._pending or not self._segments:
            self._write_group()
        self._end_segment()
        if len(self._segments) == 1:
            self._segments[0][0].rename(self._path)
        else:
            self._join_segments()

    def close(self) -> None:
        """Lets go of the open segment."""
        self._pending.clear()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def _take(self) -> None:
        batch = self._gatherer.take()
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        self._pending_bytes += batch.nbytes
        if self._pending_rows >= self._group_rows or self._pending_bytes >= self._max_bytes // 2:
            self._write_group()

    def _write_group(self) -> None:
        schema = self._gatherer.schema()
        table = pa.Table.from_batches([self._fit(batch, schema) for batch in self._pending], schema)
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0
        if self._sink is None or not self._segments[-1][1].equals(schema, check_metadata=True):
            self._end_segment()
            path = self._path.with_name(f"segment-{len(self._segments)}")
            self._segments.append((path, schema))
            self._sink = self._open_sink(path, table)
        self._sink.write_table(table)

    def _end_segment(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _join_segments(self) -> None:
        schema = self._segments[-1][1]
        for path, _ in self._segments:
            for table in self._read_back(path):
                fitted = pa.Table.from_batches(
                    [self._fit(part, schema) for part in table.to_batches()], schema
                )
                if self._sink is None:
                    self._sink = self._open_sink(self._path, fitted)
                self._sink.write_table(fitted)
            path.unlink()
        self._end_segment()

    def _fit(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        if batch.schema.equals(schema, check_metadata=True):
            return batch
        return pa.RecordBatch.from_arrays([self._fit_column(batch, field) for field in schema], schema=schema)

    def _fit_column(self, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        at = batch.schema.get_field_index(field.name)
        if at < 0:
            return pa.nulls(batch.num_rows, field.type)
        try:
            return recast(batch.column(at), field.type)
        except (Unfit, *FAILURES) as error:
            value = error.value if isinstance(error, Unfit) else None
            why = f"an earlier value can't follow the column to {field.type} ({error})"
            raise RowError(
                self._gatherer.rows_taken, field.name, value, why, "Declare it with schema=."
            ) from error
