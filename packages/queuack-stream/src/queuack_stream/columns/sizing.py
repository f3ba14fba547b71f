"""Record batches of the size that is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def sliced(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of at most `rows` rows; larger ones are cut, which copies nothing."""
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch if batch.num_rows <= rows else batch.slice(start, rows)


def resized(batches: Iterator[pa.RecordBatch], rows: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
    """Batches of exactly `rows` rows, but for the last one and those that `max_bytes` ended sooner."""
    held: list[pa.RecordBatch] = []
    count = size = 0
    for batch in _bounded(batches, rows, max_bytes):
        while count + batch.num_rows >= rows:
            room = rows - count
            yield _joined([*held, batch.slice(0, room)])
            held, count, size = [], 0, 0
            batch = batch.slice(room)
            if not batch.num_rows:
                break
        if batch.num_rows:
            held.append(batch)
            count += batch.num_rows
            size += batch.nbytes
        if size >= max_bytes:
            yield _joined(held)
            held, count, size = [], 0, 0
    if held:
        yield _joined(held)


def _bounded(batches: Iterator[pa.RecordBatch], rows: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        fit = batch.num_rows * max_bytes // max(1, batch.nbytes)
        yield from sliced(iter([batch]), max(1, min(rows, fit)))


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
