"""Large values in pieces, one a row, and whole again.

DuckDB reads, checkpoints and copies 2,048 rows at a time, all in memory. With whole payloads of a megabyte
that is 2 GB, four times what the owner allows it: the rows could never be read again, and a checkpoint
ended the database. Of pieces it is 64 MB at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from queuack_store.duckdb import arrow
from queuack_store.duckdb.arrow import Column

PIECE_BYTES = 32 << 10

Key = TypeVar("Key")


def cut(keys: Sequence[Key], values: Sequence[bytes]) -> tuple[list[Key], dict[str, Column], list[bytes]]:
    """Return the key of each piece, the columns `part` and `size`, and the pieces."""
    if all(len(value) <= PIECE_BYTES for value in values):
        sizes = [len(value) for value in values]
        return list(keys), _columns([0] * len(sizes), sizes), list(values)
    of_piece, parts, sizes, pieces = [], [], [], []
    for key, value in zip(keys, values, strict=True):
        for part, start in enumerate(range(0, max(1, len(value)), PIECE_BYTES)):
            of_piece.append(key)
            parts.append(part)
            sizes.append(len(value))
            pieces.append(value[start : start + PIECE_BYTES])
    return of_piece, _columns(parts, sizes), pieces


def _columns(parts: list[int], sizes: list[int]) -> dict[str, Column]:
    return {"part": arrow.integers(parts), "size": arrow.integers(sizes)}


def joined(rows: Iterable[tuple[Key, int, bytes]]) -> dict[Key, bytes]:
    """Return the values by key, of (key, part, piece) in any order, one value a key."""
    whole: dict[Key, bytes] = {}
    cut_up: dict[Key, list[tuple[int, bytes]]] = {}
    for key, part, piece in rows:
        if part == 0 and len(piece) < PIECE_BYTES:
            whole[key] = piece
        else:
            cut_up.setdefault(key, []).append((part, piece))
    for key, pieces in cut_up.items():
        whole[key] = b"".join(piece for _, piece in sorted(pieces))
    return whole


def latest(rows: Iterable[tuple[Key, int, int, bytes]]) -> dict[Key, bytes]:
    """Return the last value of each key, of (key, place, part, piece); a value begins with its part 0."""
    values: dict[Key, list[bytes]] = {}
    for key, _, part, piece in sorted(rows, key=lambda row: row[1]):
        if part == 0:
            values[key] = [piece]
        else:
            values[key].append(piece)
    return {key: b"".join(pieces) for key, pieces in values.items()}
