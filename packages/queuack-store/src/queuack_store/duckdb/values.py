"""Result values that msgpack has no type for, there and back without loss.

A value of `sql()` is what DuckDB's own `fetchall` gives. None, bool, float, str, bytes and int (64 bit)
travel as they are, lists and dicts with them; every other one travels as a msgpack extension, whose code
says which type it was. Neither side needs DuckDB to unpack.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

_DECIMAL, _UUID, _DATETIME, _DATE, _TIME, _INTERVAL, _INTEGER, _PAIRS, _TUPLE = range(1, 10)
_PLAIN = frozenset({type(None), bool, float, str, bytes})
_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1  # what msgpack holds
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def pack_rows(rows: Iterable[tuple[Any, ...]], zoned: Sequence[int] = ()) -> list[list[Any]]:
    """Return the rows with every value in a form that msgpack carries.

    The times in the columns `zoned` are in UTC, and get that zone.
    """
    if zoned:
        rows = [in_utc(row, zoned) for row in rows]
    return [[value if type(value) in _PLAIN else _pack(value) for value in row] for row in rows]


def unpack_rows(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    """Return the rows that `pack_rows` took."""
    return [tuple([value if type(value) in _PLAIN else _unpack(value) for value in row]) for row in rows]


def in_utc(row: tuple[Any, ...], zoned: Container[int]) -> tuple[Any, ...]:
    """Return the row with the times in its columns `zoned`, which are in UTC, bearing that zone."""
    return tuple([_zone(value) if place in zoned else value for place, value in enumerate(row)])


def _zone(value: Any) -> Any:
    match value:
        case datetime():
            return value.replace(tzinfo=UTC)
        case list():
            return [_zone(item) for item in value]
        case dict():
            return {key: _zone(item) for key, item in value.items()}
    return value


def _pack(value: Any) -> Any:
    match value:
        case None | bool() | float() | str() | bytes():
            return value
        case int():
            return value if _SMALLEST <= value <= _LARGEST else Ext(_INTEGER, str(value).encode())
        case list():
            return [_pack(item) for item in value]
        case tuple():
            return Ext(_TUPLE, _encode([_pack(item) for item in value]))
        case dict():
            if all(type(key) is str for key in value):
                return {key: _pack(item) for key, item in value.items()}
            return Ext(_PAIRS, _encode([(_pack(key), _pack(item)) for key, item in value.items()]))
        case UUID():
            return Ext(_UUID, value.bytes)
        case timedelta():
            return Ext(_INTERVAL, _encode((value.days, value.seconds, value.microseconds)))
    for kind, code in _AS_TEXT:
        if isinstance(value, kind):
            text = value.isoformat() if hasattr(value, "isoformat") else str(value)
            return Ext(code, text.encode())
    return str(value)


def _unpack(value: Any) -> Any:
    match value:
        case Ext():
            return _UNPACK[value.code](bytes(value.data))
        case list():
            return [_unpack(item) for item in value]
        case dict():
            return {key: _unpack(item) for key, item in value.items()}
    return value


_AS_TEXT = ((Decimal, _DECIMAL), (datetime, _DATETIME), (date, _DATE), (time, _TIME))  # a datetime is a date
_UNPACK: dict[int, Callable[[bytes], Any]] = {
    _DECIMAL: lambda data: Decimal(data.decode()),
    _UUID: lambda data: UUID(bytes=data),
    _DATETIME: lambda data: datetime.fromisoformat(data.decode()),
    _DATE: lambda data: date.fromisoformat(data.decode()),
    _TIME: lambda data: time.fromisoformat(data.decode()),
    _INTERVAL: lambda data: timedelta(*_decode(data)),
    _INTEGER: lambda data: int(data.decode()),
    _PAIRS: lambda data: {_hashable(_unpack(key)): _unpack(item) for key, item in _decode(data)},
    _TUPLE: lambda data: tuple(_unpack(item) for item in _decode(data)),
}


def _hashable(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
