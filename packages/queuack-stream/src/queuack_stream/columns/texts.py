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


def value_reader(kind: pa.DataType) -> Callable[[Any], Any]:
    """What turns a file's value into one of the declared type; it raises ValueError or TypeError.

    None stays None, and so does empty text in a column that isn't text.
    """
    if is_.is_string(kind) or is_.is_large_string(kind):
        return _text
    for matches, read in _READERS:
        if matches(kind):
            return _optional(read)
    if is_.is_struct(kind) or is_.is_list(kind) or is_.is_large_list(kind) or is_.is_map(kind):
        return _optional(_nested(kind))
    return lambda value: value


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None or value == "" else read(value)


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _nested(kind: pa.DataType) -> Callable[[Any], Any]:
    if is_.is_struct(kind):
        fields = {field.name: value_reader(field.type) for field in kind}

        def read_struct(value: Any) -> Any:
            found = msgspec.json.decode(value) if isinstance(value, str) else value
            return {name: fields[name](item) if name in fields else item for name, item in found.items()}

        return read_struct
    inner = value_reader(kind.value_type) if not is_.is_map(kind) else (lambda value: value)

    def read_list(value: Any) -> Any:
        found = msgspec.json.decode(value) if isinstance(value, str) else value
        return [inner(item) for item in found]

    return read_list


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
    (is_.is_timestamp, _parsed(dt.datetime, dt.datetime.fromisoformat)),
    (is_.is_date, _parsed(dt.date, dt.date.fromisoformat)),
    (is_.is_time, _parsed(dt.time, dt.time.fromisoformat)),
    (is_.is_duration, _duration),
    (is_.is_binary, _bytes),
    (is_.is_large_binary, _bytes),
]
