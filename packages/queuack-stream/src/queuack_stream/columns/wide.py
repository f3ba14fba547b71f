"""Integers wider than pyarrow reads: which columns of an Arrow file are such, by its schema's flatbuffer."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

MAX_BITS = 64  # pyarrow's
_MAX_FIELDS = 10_000  # looked at; what is damaged may refer to itself
_MAX_BYTES = 1 << 20  # of a schema: this is only to name a column
_CONTINUED = b"\xff\xff\xff\xff"  # before each message of a stream, since version 0.15 of the format
_END = b"\0\0\0\0ARROW1"  # a file's: the footer's length, and the mark
_INT = 2  # of the union Type, in Arrow's Schema.fbs


def wide_integers(path: Path) -> list[str]:
    """Return such columns as "'big' (int128)"; none where the file is damaged."""
    try:
        return list(_wide(_schema(path)))
    except (struct.error, UnicodeDecodeError):
        return []


def _schema(path: Path) -> _Table:
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - len(_END)))
        length, mark = struct.unpack("<I6s", file.read(len(_END)))
        if mark == _END[4:]:
            file.seek(max(0, size - len(_END) - length))
            return _Table.root(file.read(min(length, _MAX_BYTES))).table(1)  # of the footer
        file.seek(0)
        head = file.read(_MAX_BYTES).removeprefix(_CONTINUED)
        return _Table.root(head[4:]).table(2)  # of the first message, behind its length


def _wide(schema: _Table) -> Iterator[str]:
    fields = deque((field, "") for field in islice(schema.tables(1), _MAX_FIELDS))
    for _ in range(_MAX_FIELDS):
        if not fields:
            return
        field, above = fields.popleft()
        name = above + field.text(0)
        if field.number(2, "B") == _INT:
            integer = field.table(3)
            bits = integer.number(0, "i")
            if bits > MAX_BITS:
                yield f"{name!r} ({'' if integer.number(1, 'B') else 'u'}int{bits})"
        fields.extend((child, f"{name}.") for child in islice(field.tables(5), _MAX_FIELDS - len(fields)))


class _Table:
    """A table of a flatbuffer: its slots by their numbers, as the format's own page describes them."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._slots = at - self._get("i", at)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, *struct.unpack_from("<I", data))

    def number(self, slot: int, kind: str) -> int:
        at = self._where(slot)
        return self._get(kind, at) if at else 0

    def table(self, slot: int) -> _Table:
        return _Table(self._data, self._target(self._where(slot)))

    def tables(self, slot: int) -> Iterator[_Table]:
        at = self._where(slot)
        if at:
            start = self._target(at)
            for place in range(start + 4, start + 4 + 4 * self._get("I", start), 4):
                yield _Table(self._data, self._target(place))

    def text(self, slot: int) -> str:
        at = self._where(slot)
        start = self._target(at) if at else 0
        return self._data[start + 4 : start + 4 + self._get("I", start)].decode() if at else ""

    def _where(self, slot: int) -> int:
        place = 4 + 2 * slot
        offset = self._get("H", self._slots + place) if place < self._get("H", self._slots) else 0
        return self._at + offset if offset else 0

    def _target(self, at: int) -> int:
        return at + self._get("I", at)

    def _get(self, kind: str, at: int) -> int:
        if at < 0:
            raise struct.error("before the beginning")
        value: int = struct.unpack_from(f"<{kind}", self._data, at)[0]
        return value
