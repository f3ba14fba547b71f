"""Text and JSON values → Python values of a declared type, which CSV and JSON can't say themselves."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.types as is_

_TRUE = frozenset({"true", "True", "TRUE", "1", "t", "yes"})
_FALSE = frozenset({"false", "False", "FALSE", "0", "f", "no"})


def value_reader(kind: pa.DataType, *, blank_is_none: bool = False) -> Callable[[Any], Any]:
    """What turns a file's value into one of the declared type; it raises ValueError or TypeError.

    None stays None, and so does empty text in a column that is neither text nor bytes; with `blank_is_none`
    in one of bytes too.
    """
    if is_.is_dictionary(kind):
        return value_reader(kind.value_type, blank_is_none=blank_is_none)
    if is_.is_string(kind) or is_.is_large_string(kind):
        return _text
    if not blank_is_none and (is_.is_binary(kind) or is_.is_large_binary(kind)):
        return lambda value: None if value is None else _bytes(value)
    if is_.is_timestamp(kind):
        return _optional(_stamps(kind.tz))
    for matches, read in _READERS:
        if matches(kind):
            return _optional(read)
    if is_.is_struct(kind):
        return _optional(_struct(kind))
    if is_.is_map(kind):
        return _optional(_map(kind))
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return _optional(_list(kind))
    return lambda value: value


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None or value == "" else read(value)


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _json(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str) else value


def _struct(kind: pa.DataType) -> Callable[[Any], Any]:
    fields = {field.name: value_reader(field.type) for field in kind}
    return lambda value: {
        name: fields[name](item) if name in fields else item for name, item in _json(value).items()
    }


def _list(kind: pa.DataType) -> Callable[[Any], Any]:
    inner = value_reader(kind.value_type)
    return lambda value: [inner(item) for item in _json(value)]


def _map(kind: pa.DataType) -> Callable[[Any], Any]:
    """As pyarrow gives a map: (key, value) pairs, written as an object or as a list of pairs."""
    key, item = value_reader(kind.key_type), value_reader(kind.item_type)

    def read(value: Any) -> Any:
        found = _json(value)
        return [(key(k), item(v)) for k, v in (found.items() if isinstance(found, dict) else found)]

    return read


def _stamps(zone: str | None) -> Callable[[Any], dt.datetime]:
    """Datetimes of a zone, or without one; a text that says otherwise is refused, not guessed at."""
    home = pa.scalar(0, pa.timestamp("us", zone)).as_py().tzinfo

    def read(value: Any) -> dt.datetime:
        found = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        if found.tzinfo is None and zone is not None:
            raise ValueError(f"{value!r} has no zone and the column is of {zone}")
        if found.tzinfo is not None and zone is None:
            raise ValueError(f"{value!r} has a zone and the column has none")
        return found if zone is None else found.astimezone(home)

    return read


def _int(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def _duration(value: Any) -> dt.timedelta:
    return msgspec.convert(value, dt.timedelta)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)


def _parsed(kind: type, parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else parse(value)


_READERS: list[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]]] = [
    (is_.is_boolean, _bool),
    (is_.is_integer, _int),
    (is_.is_floating, float),
    (is_.is_decimal, lambda value: Decimal(value if isinstance(value, int) else str(value))),
    (is_.is_date, _parsed(dt.date, dt.date.fromisoformat)),
    (is_.is_time, _parsed(dt.time, dt.time.fromisoformat)),
    (is_.is_duration, _duration),
    (is_.is_binary, _bytes),
    (is_.is_large_binary, _bytes),
    (is_.is_fixed_size_binary, _bytes),
]
