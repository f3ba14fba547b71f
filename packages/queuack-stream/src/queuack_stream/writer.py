"""Rows → one file, whole or not at all, in constant memory."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from queuack_stream.errors import UnknownFormatError
from queuack_stream.pace import Pace
from queuack_stream.registry import Encoder, WriteOptions, find_format
from queuack_stream.scratch import extending, replacing
from queuack_stream.sizes import parse_size

Progress = Callable[[int, int, float], None]

_PROGRESS_SECONDS = 1.0


class StreamWriter:
    """Writes rows from any iterable to a file; the format follows from the suffix or is given.

    The file appears under its name when it is complete. If anything fails, what was there before stays as
    it was; with `append=True` the file is cut back to its old length.

    Args:
        path: where to; `.jsonl`, `.csv`, `.parquet`, `.arrow`, `.pickle` (and `.gz`, `.zst` after them)
            name formats.
        format: "jsonl", "csv", "parquet", "arrow" or "pickle" (or a registered one); default: by the suffix.
        schema: a `pyarrow.Schema` or a dict of name → type that the rows must fit; default: types follow
            the rows.
        compression: "gzip" or "zstd"; for Parquet also "snappy", "lz4", "brotli", "none" (default "zstd").
        append: adds to an existing file (JSONL and CSV only).
        max_buffer: bytes of rows held at most, as a number or text such as "16MB" (the default).
        row_group_rows: rows of a Parquet row group or Arrow batch at most (131,072), within `max_buffer`.
        durable: waits until the disk has the file (fsync) before it appears; default False.
        progress: called about once a second, and at the end, with (rows, bytes of rows, seconds so far).

    Raises:
        UnknownFormatError: the format, codec or an option is not known.
        SchemaError: the schema can't be used.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002 - the public name
        *,
        schema: Any = None,
        compression: str | None = None,
        append: bool = False,
        max_buffer: int | str = "16MB",
        row_group_rows: int = 131_072,
        durable: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.path = Path(path)
        self._format, codec = find_format(path, format, compression)
        if append and not self._format.can_append:
            raise UnknownFormatError(f"{self._format.name} files can't be appended to; JSONL and CSV can")
        if schema is not None and not self._format.can_declare:
            raise UnknownFormatError(f"{self._format.name} keeps every type as it is; leave out schema=")
        if row_group_rows < 1:
            raise UnknownFormatError(f"row_group_rows must be at least 1, not {row_group_rows}")
        self._options = WriteOptions(
            declared_schema(schema), codec, append, parse_size(max_buffer), row_group_rows
        )
        self._durable = durable
        self._progress = progress

    @property
    def format(self) -> str:
        """The name of the file's format."""
        return self._format.name

    def write(self, rows: Iterable[Any]) -> int:
        """Writes all rows of an iterable, replacing the file (or appending to it), and returns their number.

        Raises:
            RowError: a row holds something that the format can't carry; names its number, column and value.
        """
        pull = iter(rows)
        with self._writing() as written:
            while chunk := list(islice(pull, written.pace.rows)):
                written.take(chunk)
        return written.rows

    async def awrite(self, rows: AsyncIterable[Any]) -> int:
        """Writes all rows of an async iterable, as `write` does."""
        with self._writing() as written:
            chunk: list[Any] = []
            async for row in rows:
                chunk.append(row)
                if len(chunk) >= written.pace.rows:
                    written.take(chunk)
                    chunk = []
            if chunk:
                written.take(chunk)
        return written.rows

    @contextmanager
    def _writing(self) -> Iterator[_Written]:
        place = extending if self._options.append else replacing
        with place(self.path, durable=self._durable) as work:
            encoder = self._format.encoder(work, self._options)
            try:
                written = _Written(encoder, self._options.max_buffer, self._progress)
                yield written
                encoder.finish()
            finally:
                encoder.close()
        written.report()


class _Written:
    """What one call has written so far."""

    def __init__(self, encoder: Encoder, max_buffer: int, progress: Progress | None) -> None:
        self.rows = 0
        self.bytes = 0
        self.pace = Pace(max_buffer)
        self._write = encoder.write
        self._progress = progress
        self._began = time.monotonic()
        self._due = self._began + _PROGRESS_SECONDS

    def take(self, chunk: list[Any]) -> None:
        if not self.pace.overshot(chunk):
            self._take(chunk)
            return
        chunk.reverse()
        while chunk:
            self._take([chunk.pop()])

    def _take(self, chunk: list[Any]) -> None:
        size = self._write(chunk)
        count = len(chunk)
        self.rows += count
        self.bytes += size
        self.pace.note(count, size)
        if self._progress is not None and time.monotonic() >= self._due:
            self._due = time.monotonic() + _PROGRESS_SECONDS
            self.report()

    def report(self) -> None:
        if self._progress is not None:
            self._progress(self.rows, self.bytes, time.monotonic() - self._began)


def declared_schema(schema: Any) -> Any:
    """A pyarrow schema of what was given as `schema=`, or None."""
    if schema is None:
        return None
    from queuack_stream.columns.declared import read_schema

    return read_schema(schema)
