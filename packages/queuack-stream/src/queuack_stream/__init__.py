"""Rows by the billion in constant memory: generators to JSONL, CSV, Parquet, Arrow, pickle, and back."""

from queuack_stream.errors import (
    CorruptFileError,
    LengthUnknownError,
    MissingLibraryError,
    NotAPathError,
    QueryError,
    RowError,
    SchemaError,
    StreamError,
    UnknownFormatError,
    UntrustedFileError,
)
from queuack_stream.reader import StreamReader
from queuack_stream.registry import Format, register_format
from queuack_stream.tasks import async_generator_task, generator_task, streaming_task
from queuack_stream.writer import StreamWriter

__all__ = [
    "CorruptFileError",
    "Format",
    "LengthUnknownError",
    "MissingLibraryError",
    "NotAPathError",
    "QueryError",
    "RowError",
    "SchemaError",
    "StreamError",
    "StreamReader",
    "StreamWriter",
    "UnknownFormatError",
    "UntrustedFileError",
    "async_generator_task",
    "generator_task",
    "register_format",
    "streaming_task",
]
