"""Parquet: columns in row groups, compressed inside; conditions leave whole row groups unread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from queuack_stream.asking import Ask
from queuack_stream.columns.encodings import choose_encodings
from queuack_stream.columns.filtering import may_hold, narrowed
from queuack_stream.columns.scatter import read_rows
from queuack_stream.columns.segments import SegmentedEncoder, TableSink
from queuack_stream.columns.sizing import resized
from queuack_stream.errors import CorruptFileError, SchemaError
from queuack_stream.registry import Format, ReadOptions, WriteOptions

_ROWS = 4096  # rows made at a time: they stay in the processor's cache
_FAILURES = (pa.ArrowException, OSError, ValueError)


def _encoder(path: Path, options: WriteOptions) -> SegmentedEncoder:
    def open_sink(at: Path, sample: pa.Table) -> TableSink:
        settings = choose_encodings(sample)
        codec = options.compression or "none"
        writer: TableSink = pq.ParquetWriter(
            at, sample.schema, compression=codec, write_page_checksum=True, **settings
        )
        return writer

    return SegmentedEncoder(
        path,
        options.schema,
        open_sink,
        _read_groups,
        group_rows=options.row_group_rows,
        max_bytes=options.max_buffer,
    )


def _read_groups(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False)


class ParquetDecoder:
    """Reads only the columns asked for, of only the row groups that can hold what is asked for."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        if options.schema is not None:
            raise SchemaError(f"{path}: Parquet files carry their types; leave out schema=")
        self._path = path
        self._max_buffer = options.max_buffer

    def schema(self) -> pa.Schema:
        """The schema in the file's footer."""
        with self._open() as file:
            return file.schema_arrow

    def length(self) -> int | None:
        """The number of rows in the file's footer."""
        with self._open() as file:
            return int(file.metadata.num_rows)

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for; damage raises CorruptFileError after the rows before it."""
        return read_rows(self._read(ask, _ROWS), self._path)

    def batches(self, ask: Ask, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows asked for, as record batches."""
        return resized(self._read(ask, rows), rows, self._max_buffer)

    def _read(self, ask: Ask, rows: int) -> Iterator[pa.RecordBatch]:
        with self._open() as file:
            schema = file.schema_arrow
            ask.check(schema.names)
            tested = [test.column for test in ask.tests]
            columns = None if ask.columns is None else list(dict.fromkeys([*ask.columns, *tested]))
            done = 0
            for group in range(file.num_row_groups):
                meta = file.metadata.row_group(group)
                if not ask.tests or may_hold(meta, ask):
                    for batch in self._read_group(file, group, columns, rows, done):
                        yield narrowed(batch, ask)
                done += meta.num_rows

    def _read_group(
        self, file: pq.ParquetFile, group: int, columns: list[str] | None, rows: int, done: int
    ) -> Iterator[pa.RecordBatch]:
        meta = file.metadata.row_group(group)
        fit = self._max_buffer * meta.num_rows // max(1, meta.total_byte_size)
        try:
            yield from file.iter_batches(
                max(1, min(rows, fit)), row_groups=[group], columns=columns, use_threads=False
            )
        except _FAILURES as error:
            place = f"row group {group}, after row {done - 1}"
            raise CorruptFileError(str(self._path), place, f"its data is damaged ({error})") from error

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(
                self._path, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True
            )
        except FileNotFoundError:
            raise
        except NotImplementedError as error:
            why = f"it has a column of a type that pyarrow can't read ({error})"
            raise SchemaError(f"{self._path}: {why}; write it with another type") from error
        except _FAILURES as error:
            why = f"it is not a whole Parquet file ({error})"
            raise CorruptFileError(str(self._path), "the footer", why) from error


FORMAT = Format(
    name="parquet",
    suffixes=(".parquet", ".pq"),
    encoder=_encoder,
    decoder=ParquetDecoder,
    codecs=("zstd", "snappy", "gzip", "lz4", "brotli"),
    whole_file_codec=False,
    default_codec="zstd",
)
