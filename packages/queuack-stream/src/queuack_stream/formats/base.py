"""What formats of rows share: Arrow batches and a schema from rows, declared types on the way in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from queuack_stream.asking import Ask
from queuack_stream.errors import RowError, SchemaError, shown
from queuack_stream.registry import Encoder

if TYPE_CHECKING:
    import pyarrow as pa

    from queuack_stream.columns.gather import Gatherer


class RowDecoder:
    """A decoder that has rows and makes Arrow batches of them.

    Without a declared schema the file is read once from end to end to learn its types, when they are first
    needed.
    """

    _closed = False  # whether the file's own head says all its columns

    def __init__(self, path: str, declared: pa.Schema | None, max_buffer: int) -> None:
        self._file = path
        self._declared = declared
        self._max_buffer = max_buffer
        self._learned: pa.Schema | None = None

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for, in lists of some length."""
        raise NotImplementedError

    def length(self) -> int | None:
        """Not written in such files."""
        return None

    def schema(self) -> pa.Schema:
        """The declared schema, or what the file's values need."""
        if self._declared is not None:
            return self._declared
        if self._learned is None:
            from queuack_stream.columns.gather import BATCH_ROWS, Gatherer

            gatherer = Gatherer(None)
            for block in self.blocks(Ask()):
                self._gather(gatherer, block)
                if gatherer.rows_held >= BATCH_ROWS or gatherer.bytes_held >= self._max_buffer:
                    self._take(gatherer)
            if gatherer.rows_held:
                self._take(gatherer)
            self._learned = gatherer.schema()
        return self._learned

    def batches(self, ask: Ask, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows as record batches of `rows` rows, the last one smaller, as all are if rows are huge."""
        import pyarrow as pa

        from queuack_stream.columns.gather import Gatherer

        schema = self.schema()
        if ask.columns is not None:
            ask.check(schema.names)
            schema = pa.schema([schema.field(name) for name in ask.columns])
        gatherer = Gatherer(schema if self._closed or self._declared is not None else None)
        for block in self.blocks(ask):
            for start in range(0, len(block), 256):
                part = block[start : start + 256]
                while part:
                    room = rows - gatherer.rows_held
                    self._gather(gatherer, part[:room])
                    part = part[room:]
                    if gatherer.rows_held == rows or gatherer.bytes_held >= self._max_buffer:
                        yield self._batch(gatherer, schema)
        if gatherer.rows_held:
            yield self._batch(gatherer, schema)

    def _gather(self, gatherer: Gatherer, rows: list[Any]) -> None:
        try:
            gatherer.add(rows)
        except RowError as error:
            raise self._shapeless(error) from error

    def _take(self, gatherer: Gatherer) -> pa.RecordBatch:
        try:
            return gatherer.take()
        except RowError as error:
            raise self._shapeless(error) from error

    def _batch(self, gatherer: Gatherer, schema: pa.Schema) -> pa.RecordBatch:
        from queuack_stream.columns.arrays import FAILURES
        from queuack_stream.columns.kinds import Unfit

        first = gatherer.rows_taken
        batch = self._take(gatherer)
        try:
            return fit(batch, schema)
        except (Unfit, *FAILURES) as error:
            value = f" (value: {shown(error.value)})" if isinstance(error, Unfit) else ""
            where = f"{self._file}: among the {batch.num_rows} rows from row {first}"
            raise SchemaError(f"{where}: {error}{value}. Give the reader another schema=") from error

    def _shapeless(self, error: RowError) -> SchemaError:
        column = "" if error.column is None else f", column {error.column!r}"
        return SchemaError(
            f"{self._file}: row {error.row}{column}: {error.why} (value: {shown(error.value)}; rows count"
            " from 0). Read it row by row, select() other columns, or give JSON lines another schema="
        )


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in a schema that holds all of it: columns in its order, widened, missing ones null."""
    import pyarrow as pa

    from queuack_stream.columns.arrays import recast

    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [
        recast(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class DeclaredEncoder:
    """Holds rows to a declared schema before another encoder, which knows no types, writes them."""

    def __init__(self, inner: Encoder, schema: pa.Schema) -> None:
        from queuack_stream.columns.gather import Gatherer

        self._inner = inner
        self._gatherer = Gatherer(schema)
        self.finish = inner.finish
        self.close = inner.close

    def write(self, rows: list[Any]) -> int:
        """Writes the rows if each fits the schema. Raises RowError."""
        self._gatherer.add(rows)
        self._gatherer.take()
        return self._inner.write(rows)


def declared_values(
    schema: pa.Schema | None, *, blank_is_none: bool = False
) -> dict[str, Callable[[Any], Any]]:
    """For each declared column, what makes its Python value of the text (or JSON value) in the file."""
    if schema is None:
        return {}
    from queuack_stream.columns.texts import value_reader

    return {field.name: value_reader(field.type, blank_is_none=blank_is_none) for field in schema}
