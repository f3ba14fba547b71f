"""The rows of a `sql()` query on the client's side: plain tuples, or Arrow, pandas and polars on request.

A small result came as rows. A large one is a Parquet file, read by a DuckDB of this process's own and
deleted with this object. DuckDB and the frame libraries are imported only by the methods that need them.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from queuack_store.duckdb.values import in_utc, unpack_rows
from queuack_store.errors import InvalidRequestError, MissingPackageError
from queuack_store.requests import Table

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_ZONED = "TIMESTAMP WITH TIME ZONE"  # fetching it needs pytz; the session's zone is UTC instead
_PLAIN = (str, bytes, int, float, bool, type(None), UUID, date, time, timedelta, Decimal)


class Rows:
    """The result of one query: iterable as tuples, again and again.

    Attributes:
        columns: the columns' names. types: their DuckDB types.
    """

    def __init__(self, table: Table) -> None:
        self.columns = list(table.columns)
        self.types = list(table.types)
        self._rows: list[tuple[Any, ...]] | None = None
        self._path = table.path
        self._connection: Any = None
        self._cursor: Iterator[tuple[Any, ...]] | None = None
        if table.path is None:
            self._rows = unpack_rows(table.rows)
        else:
            self._delete = weakref.finalize(self, _remove, table.path)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is not None:
            return iter(self._rows)
        rows = self._relation(_ZONED, "TIMESTAMP").iter_rows()
        places = {place for place, kind in enumerate(self.types) if _ZONED in kind}
        return self._stream(rows, places)

    def _stream(self, rows: Iterator[Any], places: set[int]) -> Iterator[tuple[Any, ...]]:
        """Give the rows of the file; as a method it holds this result, and so the file, until the last."""
        for row in rows:
            yield in_utc(row, places) if places else tuple(row)

    def __len__(self) -> int:
        if self._rows is not None:
            return len(self._rows)
        return int(self._relation().shape[0])

    def __repr__(self) -> str:
        size = f"{len(self._rows):,} rows" if self._rows is not None else "a large result"
        return f"<Rows {', '.join(self.columns)}: {size}>"

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows as tuples."""
        return list(self)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None after the last."""
        if self._cursor is None:
            self._cursor = iter(self)
        return next(self._cursor, None)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Return the next `size` rows, fewer at the end."""
        rows = (self.fetchone() for _ in range(size))
        return [row for row in rows if row is not None]

    def arrow(self) -> pyarrow.Table:
        """Return a pyarrow.Table. Raises MissingPackageError without pyarrow."""
        with _needing("pyarrow"):
            table: pyarrow.Table = self._relation().to_arrow_table()
        return table

    def df(self) -> pandas.DataFrame:
        """Return a pandas.DataFrame. Raises MissingPackageError without pandas."""
        with _needing("pandas"):
            frame: pandas.DataFrame = self._relation().df()
        return frame

    def pl(self) -> polars.DataFrame:
        """Return a polars.DataFrame. Raises MissingPackageError without polars and pyarrow."""
        with _needing("polars pyarrow"):
            frame: polars.DataFrame = self._relation().pl()
        return frame

    def close(self) -> None:
        """Delete the file behind a large result now, not when this object goes."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._path is not None:
            self._delete()

    def _relation(self, old: str = "", new: str = "") -> Any:
        # All columns under their own types (Parquet has fewer), or with the type `new` in place of `old`.
        if self._connection is None:
            import duckdb  # 0.2 s and 60 MB that a mere client never pays

            self._connection = duckdb.connect()
            self._connection.execute("SET TimeZone = 'UTC'")
            if self._rows is not None:
                self._fill()
        source = "filled" if self._path is None else f"read_parquet({_quoted(self._path, chr(39))})"
        columns = []
        for place, (name, kind) in enumerate(zip(self.columns, self.types, strict=True), 1):
            kind = _nullable(kind).replace(old, new) if old else _nullable(kind)
            columns.append(f"CAST(#{place} AS {kind}) AS {_quoted(name)}")
        return self._connection.sql(f"SELECT {', '.join(columns)} FROM {source}")

    def _fill(self) -> None:
        columns = ", ".join(f"c{i} {_nullable(kind)}" for i, kind in enumerate(self.types))
        self._connection.execute(f"CREATE TABLE filled ({columns})")
        if self._rows:
            appender = self._connection.appender("filled")
            appender.append_rows(self._rows)
            appender.flush()


def sql_params(params: Any) -> list[Any] | dict[str, Any] | None:
    """Return a query's parameters as plain values; an aware datetime becomes the naive UTC of the columns.

    Raises:
        InvalidRequestError: a value that a query can't take; the message says which.
    """
    if params is None:
        return None
    if isinstance(params, Mapping):
        return {str(name): _param(value, name) for name, value in params.items()}
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes)):
        return [_param(value, i) for i, value in enumerate(params)]
    raise InvalidRequestError(f"params must be a list for ? or a dict for $name, not {params!r:.200}")


def _param(value: Any, which: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, (list, tuple)):
        return [_param(part, which) for part in value]
    if not isinstance(value, _PLAIN):
        raise InvalidRequestError(
            f"parameter {which!r} is a {type(value).__name__}: pass text, numbers, bytes, dates "
            "or lists of them",
            parameter=which,
        )
    return str.__str__(value) if isinstance(value, str) else value


@contextlib.contextmanager
def _needing(packages: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"this needs {error.name}, which is not installed: pip install {packages}", packages=packages
        ) from error


def _quoted(text: str, mark: str = '"') -> str:
    return mark + text.replace(mark, mark * 2) + mark


def _nullable(kind: str) -> str:
    return "INTEGER" if kind.strip('"') == "NULL" else kind  # a column of nothing but NULL has no type


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
