"""Arrow IPC files (Feather 2): columns as they lie in memory; a file that breaks off is read up to there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from queuack_stream.asking import Ask
from queuack_stream.columns.filtering import narrowed
from queuack_stream.columns.scatter import read_rows
from queuack_stream.columns.segments import SegmentedEncoder, TableSink
from queuack_stream.columns.sizing import resized, sliced
from queuack_stream.columns.wide import wide_integers
from queuack_stream.errors import CorruptFileError, SchemaError
from queuack_stream.registry import Format, ReadOptions, WriteOptions

_ROWS = 4096
_BATCH_ROWS = 16_384  # a reader holds one batch: small ones keep its memory flat
_MAGIC = b"ARROW1\0\0"
_FAILURES = (pa.ArrowException, OSError, ValueError)


def _encoder(path: Path, options: WriteOptions) -> SegmentedEncoder:
    def open_sink(at: Path, sample: pa.Table) -> TableSink:
        settings = pa.ipc.IpcWriteOptions(compression=options.compression)
        writer: TableSink = pa.ipc.new_file(pa.OSFile(str(at), "wb"), sample.schema, options=settings)
        return _Sink(writer)

    return SegmentedEncoder(
        path,
        options.schema,
        open_sink,
        _read_tables,
        group_rows=options.row_group_rows,
        max_bytes=options.max_buffer,
    )


class _Sink:
    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self.close = writer.close

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.combine_chunks(), max_chunksize=_BATCH_ROWS)


def _read_tables(path: Path) -> Iterator[pa.Table]:
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        for at in range(file.num_record_batches):
            yield pa.Table.from_batches([file.get_batch(at)])


class ArrowDecoder:
    """Reads record batches in their order, only the columns asked for; also streams (without a footer).

    A file whose footer is lost is read as the stream it contains, up to where it breaks off.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        if options.schema is not None:
            raise SchemaError(f"{path}: Arrow files carry their types; leave out schema=")
        self._path = path
        self._max_buffer = options.max_buffer

    def schema(self) -> pa.Schema:
        """The schema at the file's head."""
        with pa.OSFile(str(self._path)) as source:
            schema: pa.Schema = (self._footer(source) or self._stream(source)).schema
            return schema

    def length(self) -> int | None:
        """The sum of the batches' lengths, where the file has a footer."""
        if not self._path.stat().st_size:
            return None  # which can't be mapped
        with pa.memory_map(str(self._path)) as source:
            file = self._footer(source)
            return file and sum(len(file.get_batch(at)) for at in range(file.num_record_batches))

    def blocks(self, ask: Ask) -> Iterator[list[Any]]:
        """The rows asked for; a file that breaks off raises CorruptFileError after its whole batches."""
        return read_rows(sliced(self._read(ask), _ROWS), self._path)

    def batches(self, ask: Ask, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows asked for, as record batches."""
        return resized(self._read(ask), rows, self._max_buffer)

    def _read(self, ask: Ask) -> Iterator[pa.RecordBatch]:
        names = self.schema().names
        ask.check(names)
        options = pa.ipc.IpcReadOptions()
        if ask.columns is not None:
            wanted = {*ask.columns, *(test.column for test in ask.tests)}
            options.included_fields = [at for at, name in enumerate(names) if name in wanted]
        done = 0
        with pa.OSFile(str(self._path)) as source:
            file = self._footer(source, options)
            batches = self._by_footer(file) if file else self._by_stream(self._stream(source, options))
            while True:
                try:
                    batch = next(batches, None)
                except _FAILURES as error:
                    why = f"the file breaks off ({error})"
                    raise CorruptFileError(str(self._path), f"after row {done - 1}", why) from error
                if batch is None:
                    break
                done += batch.num_rows
                yield narrowed(batch, ask)

    def _by_footer(self, file: Any) -> Iterator[pa.RecordBatch]:
        for at in range(file.num_record_batches):
            yield file.get_batch(at)

    def _by_stream(self, stream: Any) -> Iterator[pa.RecordBatch]:
        yield from stream
        with open(self._path, "rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                raise ValueError("the footer is missing")

    def _footer(self, source: Any, options: Any = None) -> Any:
        """A reader by the footer, or None where there is none."""
        try:
            return pa.ipc.open_file(source, options=options)
        except NotImplementedError as error:
            raise self._unreadable(error) from error
        except _FAILURES:
            return None

    def _stream(self, source: Any, options: Any = None) -> Any:
        """A reader of the stream that the file is or contains."""
        source.seek(0)
        if source.read(len(_MAGIC)) != _MAGIC:
            source.seek(0)
        try:
            return pa.ipc.open_stream(source, options=options)
        except NotImplementedError as error:
            raise self._unreadable(error) from error
        except _FAILURES as error:
            why = f"it is not an Arrow file ({error})"
            raise CorruptFileError(str(self._path), "the head", why) from error

    def _unreadable(self, error: NotImplementedError) -> SchemaError:
        named = wide_integers(self._path)
        which = f"column {', column '.join(named)} is" if named else "it has a column"
        why = f"{which} of a type that pyarrow can't read ({error})"
        return SchemaError(f"{self._path}: {why}; write it with another type")


FORMAT = Format(
    name="arrow",
    suffixes=(".arrow", ".feather", ".ipc"),
    encoder=_encoder,
    decoder=ArrowDecoder,
    codecs=("zstd", "lz4"),
    whole_file_codec=False,
)
