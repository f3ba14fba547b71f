"""Arrow record batches → rows: columns become lists by their buffers, and the lists dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as is_

from queuack_stream.columns.column import WHOLE
from queuack_stream.columns.dicts import build_rows
from queuack_stream.errors import CorruptFileError

_FAILURES = (pa.ArrowException, ValueError, TypeError, OverflowError, IndexError)

# Fixed-width Arrow types and the `memoryview.cast` code of their values.
_CODES: dict[pa.DataType, Any] = {
    pa.int8(): "b",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.uint8(): "B",
    pa.uint16(): "H",
    pa.uint32(): "I",
    pa.uint64(): "Q",
    pa.float32(): "f",
    pa.float64(): "d",
}


def read_rows(batches: Iterable[pa.RecordBatch], path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file's batches.

    Raises:
        CorruptFileError: a value is none of its type, which only damage can make; after the rows before it.
    """
    read = 0
    for batch in batches:
        try:
            rows = to_rows(batch)
        except _FAILURES:
            yield from _good_rows(batch, path, read)
            raise
        read += len(rows)
        yield rows


def _good_rows(batch: pa.RecordBatch, path: Path, read: int) -> Iterator[list[dict[str, Any]]]:
    for at in range(batch.num_rows):
        try:
            row = to_rows(batch.slice(at, 1))
        except _FAILURES as error:
            why = f"a value there is none of its column's type ({error})"
            raise CorruptFileError(str(path), f"after row {read + at - 1} of those asked for", why) from error
        yield row


def to_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch, with Python values."""
    columns = [
        to_values(column, whole=(field.metadata or {}).get(b"queuack") == WHOLE[b"queuack"])
        for column, field in zip(batch.columns, batch.schema, strict=True)
    ]
    return build_rows(tuple(batch.schema.names), columns) if columns else [{}] * batch.num_rows


def to_values(array: pa.Array, *, whole: bool = False) -> list[Any]:
    """The values of an array as Python objects; `whole` makes ints of decimals."""
    if whole:
        return [None if value is None else int(value) for value in array.to_pylist()]
    kind = array.type
    if (narrower := _narrower(kind)) is not None:
        array = array.cast(narrower, safe=False)
    if code := _CODES.get(kind):
        values = _fixed(array, code)
    elif is_.is_string(kind):
        values = _strings(array)
    elif is_.is_dictionary(kind) and not array.dictionary.null_count:
        words = to_values(array.dictionary)
        return [None if at is None else words[at] for at in to_values(array.indices)]
    else:
        found: list[Any] = array.to_pylist()
        return found
    return _with_nulls(array, values) if array.null_count else values


def _narrower(kind: pa.DataType) -> pa.DataType | None:
    """What a column of nanoseconds is read as: Python's times end at microseconds."""
    if not is_.is_temporal(kind) or getattr(kind, "unit", "") != "ns":
        return None
    if is_.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if is_.is_duration(kind) else pa.time64("us")


def _fixed(array: pa.Array, code: Any) -> list[Any]:
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return [None] * len(array)
    view: memoryview[Any] = memoryview(buffer).cast("B").cast(code)
    return view[array.offset : array.offset + len(array)].tolist()


def _strings(array: pa.Array) -> list[Any]:
    _, offsets, data = array.buffers()
    if offsets is None or data is None or not len(array):
        return [""] * len(array)
    ends = memoryview(offsets).cast("i")[array.offset : array.offset + len(array) + 1].tolist()
    first = ends[0]
    raw = bytes(memoryview(data)[first : ends[-1]])
    text = raw.decode()
    if len(text) == len(raw):  # ASCII: characters are where bytes are
        if first:
            ends = [end - first for end in ends]
        return [text[start:end] for start, end in pairwise(ends)]
    return [raw[start - first : end - first].decode() for start, end in pairwise(ends)]


def _with_nulls(array: pa.Array, values: list[Any]) -> list[Any]:
    bitmap = memoryview(array.buffers()[0])[array.offset // 8 : (array.offset + len(array) + 7) // 8]
    known = chain.from_iterable(map(_BITS.__getitem__, bitmap))
    there = islice(known, array.offset % 8, array.offset % 8 + len(array))
    return [value if known else None for value, known in zip(values, there, strict=True)]


# Each byte's bits, the lowest first, as Arrow's validity bitmaps have them.
_BITS = [tuple(byte >> bit & 1 for bit in range(8)) for byte in range(256)]
