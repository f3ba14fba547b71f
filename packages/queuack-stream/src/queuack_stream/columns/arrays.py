"""Values → one Arrow array of a given type, converted where the type is wider than they are."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as is_

from queuack_stream.columns.kinds import NONE, Unfit, plain

# What Arrow takes for a type without changing it. Datetimes are not here: Arrow would drop a zone silently.
_DIRECT: dict[pa.DataType, frozenset[type]] = {
    pa.int64(): frozenset({int, NONE}),
    pa.float64(): frozenset({float, NONE}),
    pa.string(): frozenset({str, NONE}),
    pa.bool_(): frozenset({bool, NONE}),
    pa.binary(): frozenset({bytes, NONE}),
    pa.date32(): frozenset({dt.date, NONE}),
    pa.null(): frozenset({NONE}),
}
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000}  # in one unit of the coarser declared types
_NOTHING: frozenset[type] = frozenset()

FAILURES = (pa.ArrowException, OverflowError, ValueError, TypeError, decimal.DecimalException)


def direct_kinds(target: pa.DataType) -> frozenset[type]:
    """The Python types whose values an array of this type holds as they are."""
    return _DIRECT.get(target, _NOTHING)


def to_array(values: list[Any], target: pa.DataType) -> pa.Array:
    """An array of the type; `target` must hold all the values (see the lattice).

    Raises:
        Unfit: with the first value that can't be converted.
    """
    change = _converter(target)
    try:
        return pa.array(_changed(values, target, change), target)
    except FAILURES:
        for value in values:
            _check(value, target, change)
        raise


def recast(array: pa.Array, target: pa.DataType) -> pa.Array:
    """The same values in a wider type, by the same rules as `to_array`."""
    if array.type.equals(target):
        return array
    if is_.is_null(array.type):
        return pa.nulls(len(array), target)
    return to_array(array.to_pylist(), target)


def text(value: Any) -> str:
    """A scalar as the text it becomes in a column that turned into strings."""
    value = plain(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def _check(value: Any, target: pa.DataType, change: Callable[[Any], Any]) -> None:
    try:
        pa.array(_changed([value], target, change), target)
    except FAILURES as error:
        raise Unfit(value, f"it doesn't fit {target} ({error})") from error


def _changed(values: list[Any], target: pa.DataType, change: Callable[[Any], Any]) -> list[Any]:
    if is_.is_struct(target):
        return [None if value is None else change(value) for value in values]
    # An empty dict, of whose fields nothing is known, counts as None beside values of any kind.
    return [
        None if value is None or (type(value) is dict and not value) else change(value) for value in values
    ]


def _converter(target: pa.DataType) -> Callable[[Any], Any]:
    if is_.is_list(target):
        inner = _converter(target.value_type)
        return lambda value: _changed(plain(value), target.value_type, inner)
    if is_.is_struct(target):
        return _struct_converter(target)
    convert = next((convert for matches, convert in _CONVERTERS if matches(target)), plain)
    coarse = _MICROSECONDS.get(getattr(target, "unit", ""), 1) if is_.is_temporal(target) else 1
    return convert if coarse == 1 else _whole_units(target, coarse, convert)


def _whole_units(target: pa.DataType, step: int, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Refuses what Arrow would cut off: a part of the unit of a declared type."""

    def check(value: Any) -> Any:
        found = convert(value)
        over = found.microseconds if isinstance(found, dt.timedelta) else found.microsecond
        if over % step:
            raise ValueError(f"it is finer than a {target.unit}")
        return found

    return check


def _struct_converter(target: pa.DataType) -> Callable[[Any], Any]:
    fields = [(field.name, field.type, _converter(field.type)) for field in target]

    def convert(value: Any) -> dict[str, Any]:
        found = plain(value)
        return {name: _changed([found.get(name)], kind, change)[0] for name, kind, change in fields}

    return convert


def _stamp(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value
    found = plain(value)
    return found if isinstance(found, dt.datetime) else dt.datetime.combine(found, dt.time())


def _decimal(value: Any) -> Decimal:
    found = plain(value)
    return found if isinstance(found, Decimal) else Decimal(int(found))


def _nothing(value: Any) -> None:
    if plain(value):
        raise ValueError("the column's type is not known yet")


_CONVERTERS: list[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]]] = [
    (is_.is_null, _nothing),
    (is_.is_string, text),
    (is_.is_int64, lambda value: int(plain(value))),
    (is_.is_float64, lambda value: float(plain(value))),
    (is_.is_decimal, _decimal),
    (is_.is_timestamp, _stamp),
    (is_.is_binary, lambda value: bytes(plain(value))),
]
