"""A reader's rows in other libraries, each loaded only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from queuack_stream.errors import MissingLibraryError

if TYPE_CHECKING:
    from queuack_stream.reader import StreamReader

TABLE = "stream"


def query(reader: StreamReader, sql: str) -> Any:
    """A DuckDB relation over the reader, which is the table `stream`."""
    duckdb = _library("duckdb", "sql()")
    connection = duckdb.connect()
    connection.register(TABLE, reader)
    return connection.sql(sql)


def to_polars(reader: StreamReader) -> Any:
    """A polars DataFrame."""
    polars = _library("polars", "to_polars()")
    return polars.from_arrow(reader.to_arrow())


def to_pandas(reader: StreamReader) -> Any:
    """A pandas DataFrame."""
    _library("pandas", "to_pandas()")
    return reader.to_arrow().to_pandas()


def _library(name: str, call: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"{call} needs {name}, which is not installed: pip install {name}"
        ) from error
