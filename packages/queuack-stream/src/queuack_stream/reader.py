"""One file → its rows, again and again, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from queuack_stream import frames
from queuack_stream.asking import Ask
from queuack_stream.errors import LengthUnknownError, QueryError
from queuack_stream.registry import Decoder, Format, ReadOptions, find_format
from queuack_stream.sizes import parse_size
from queuack_stream.writer import declared_schema

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class StreamReader:
    """Iterates over the rows of a file, as dicts (pickle: the objects); each `iter` starts at the first row.

    Args:
        path: what to read; it has to exist when the reader is made.
        format: as of `StreamWriter`; default: by the suffix.
        schema: types for CSV and JSON lines, as a `pyarrow.Schema` or a dict of name → type. Without one, CSV
            gives text and JSON lines what JSON says.
        compression: "gzip" or "zstd" where the suffix doesn't say so.
        trusted: whether a pickle may be opened. None (default): if it is owned by this user or root and not
            writable by everyone; False: never; True: always. **A pickle runs code when it is opened.**
        max_buffer: bytes of an Arrow batch at which it ends; default "16MB".

    Raises:
        FileNotFoundError: there is no such file.
        UnknownFormatError: the format or codec is not known.
        UntrustedFileError: it is a pickle that isn't trusted.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002 - the public name
        *,
        schema: Any = None,
        compression: str | None = None,
        trusted: bool | None = None,
        max_buffer: int | str = "16MB",
    ) -> None:
        self.path = Path(path)
        found, codec = find_format(path, format, compression)
        self.path.stat()  # a missing file is an error here, not at the first row
        self._format: Format = found
        options = ReadOptions(declared_schema(schema), codec, trusted, parse_size(max_buffer))
        self._decoder: Decoder = found.decoder(self.path, options)
        self._ask = Ask()

    @property
    def format(self) -> str:
        """The name of the file's format."""
        return self._format.name

    def __iter__(self) -> Iterator[Any]:
        """The rows, from the first one.

        Raises:
            CorruptFileError: the file breaks off or is damaged; after the rows that were good.
        """
        return chain.from_iterable(self._decoder.blocks(self._ask))

    def __len__(self) -> int:
        """The number of rows, where the file says it (Parquet, Arrow) and no `where` was asked.

        Raises:
            LengthUnknownError: the file would have to be read for it.
        """
        known = None if self._ask.tests else self._decoder.length()
        if known is None:
            raise LengthUnknownError(
                f"{self.path}: the number of rows is known only by reading them; use sum(1 for row in reader)"
            )
        return known

    def __bool__(self) -> bool:
        """True: a reader is not its rows, which may have no known number."""
        return True

    def __repr__(self) -> str:
        return f"StreamReader({os.fspath(self.path)!r}, {self.format!r})"

    @property
    def schema(self) -> pa.Schema:
        """The columns and types of what is selected; JSON lines and pickle are read once to learn them."""
        schema = self._decoder.schema()
        if self._ask.columns is None:
            return schema
        import pyarrow as pa

        self._ask.check(schema.names)
        return pa.schema([schema.field(name) for name in self._ask.columns], metadata=schema.metadata)

    def select(self, *columns: str) -> StreamReader:
        """A reader of these columns only, in this order; Parquet doesn't even decode the others.

        Raises:
            QueryError: a name is not a column, when the file is read.
        """
        return self._asking(self._ask.selecting(columns))

    def where(self, column: str, op: str, value: Any) -> StreamReader:
        """A reader of the rows whose column compares so; several calls must all hold. None never matches.

        `op` is one of ==, !=, <, <=, >, >=, in, not in. Parquet skips row groups that can't match.

        Raises:
            QueryError: the comparison is not known; or, when the file is read, the column's values don't
                allow it.
        """
        return self._asking(self._ask.testing(column, op, value))

    def batches(self, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """The rows as `pyarrow.RecordBatch`es of one schema and `rows` rows each, the last one smaller.

        Batches end sooner where they reach `max_buffer`.
        """
        if rows < 1:
            raise QueryError(f"batches() takes at least 1 row, not {rows}")
        return self._decoder.batches(self._ask, rows)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """What DuckDB answers to a query over the file, which is the table `stream`.

        The file is streamed through DuckDB, once for each time the query names it.

        Raises:
            MissingLibraryError: duckdb is not installed.
        """
        found: duckdb.DuckDBPyRelation = frames.query(self, query)
        return found

    def to_arrow(self) -> pa.Table:
        """All rows as one `pyarrow.Table`, in memory."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches(), self.schema)

    def to_polars(self) -> pl.DataFrame:
        """All rows as one polars DataFrame, in memory. Raises MissingLibraryError."""
        frame: pl.DataFrame = frames.to_polars(self)
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """All rows as one pandas DataFrame, in memory. Raises MissingLibraryError."""
        frame: pd.DataFrame = frames.to_pandas(self)
        return frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows as an Arrow stream, by which DuckDB, polars, pandas and pyarrow take a reader as it is."""
        import pyarrow as pa

        stream = pa.RecordBatchReader.from_batches(self.schema, self.batches())
        return stream.__arrow_c_stream__(requested_schema)

    def _asking(self, ask: Ask) -> StreamReader:
        other = object.__new__(StreamReader)
        other.__dict__.update(self.__dict__)
        other._ask = ask
        return other
