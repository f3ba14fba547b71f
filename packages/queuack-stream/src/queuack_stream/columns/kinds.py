"""Python values → the narrowest Arrow type that holds them all."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from queuack_stream.columns.lattice import BIG_INT, HUGE_INT, STAMP, decimal_type, join
from queuack_stream.columns.numpy_values import from_numpy, is_numpy

NONE = type(None)
_INT64 = 2**63


class Unfit(Exception):
    """A value has no place in a column; the column's owner turns it into a RowError."""

    def __init__(self, value: object, why: str) -> None:
        self.value = value
        self.why = why
        super().__init__(why)


_SIMPLE: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    bytearray: pa.binary(),
    memoryview: pa.binary(),
    dt.date: pa.date32(),
    dt.timedelta: pa.duration("us"),
    uuid.UUID: pa.string(),
    NONE: pa.null(),
}
_BASES = (bool, int, float, str, bytes, dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, uuid.UUID)


def plain(value: Any) -> Any:
    """A value without its costume: an enum's value, a numpy scalar's item, a mapping's dict."""
    kind = type(value)
    if kind in _SIMPLE or kind in (int, dict, list, tuple, Decimal, dt.datetime):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, _BASES):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if is_numpy(value):
        return plain(from_numpy(value))
    raise Unfit(value, f"a {kind.__name__} has no column type")


def infer(values: Iterable[Any]) -> pa.DataType:
    """The type that holds all the values. Raises Unfit, with the value, where there is none."""
    result = pa.null()
    for same, one in infer_each(values):
        joined = join(result, one)
        if joined is None:
            raise Unfit(same[0], f"{one} doesn't go together with {result} in one column")
        result = joined
    return result


def infer_each(values: Iterable[Any]) -> Iterator[tuple[list[Any], pa.DataType]]:
    """For each Python type among the values: those of it, and the type that holds them. Raises Unfit."""
    by_kind: dict[type, list[Any]] = {}
    for value in values:
        by_kind.setdefault(type(value), []).append(value)
    for kind, same in by_kind.items():
        yield same, _SIMPLE.get(kind) or _infer_kind(kind, same)


def _infer_kind(kind: type, values: list[Any]) -> pa.DataType:
    if kind is int:
        return _infer_ints(values)
    if kind is Decimal:
        return _infer_decimals(values)
    if kind is dt.datetime:
        return _infer_stamps(values)
    if kind is dt.time:
        zoned = any(value.tzinfo is not None for value in values)
        return pa.string() if zoned else pa.time64("us")  # Arrow's times have no zone
    if kind is dict:
        return _infer_structs(values)
    if kind in (list, tuple):
        return pa.list_(infer(item for value in values for item in value))
    for base in _BASES:
        if issubclass(kind, base) and not issubclass(kind, enum.Enum):
            return _SIMPLE.get(base) or _infer_kind(base, values)
    return infer([plain(value) for value in values])


def _infer_ints(values: list[int]) -> pa.DataType:
    low, high = min(values), max(values)
    if low >= -_INT64 and high < _INT64:
        return pa.int64()
    most = max(-low, high)
    if most < 10**38:
        return BIG_INT
    return HUGE_INT if most < 10**76 else pa.string()


def _infer_decimals(values: list[Decimal]) -> pa.DataType:
    whole = scale = 0
    for value in values:
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            raise Unfit(value, "a Decimal that is no finite number has no column type")
        scale = max(scale, -exponent)
        whole = max(whole, len(digits) + exponent)
    return decimal_type(whole, scale)


def _infer_stamps(values: list[dt.datetime]) -> pa.DataType:
    result = pa.null()
    zones = {id(value.tzinfo): value for value in values}
    for value in zones.values():
        try:
            one = STAMP if value.tzinfo is None else pa.array([value]).type
        except (pa.ArrowException, ValueError, OverflowError):
            one = pa.timestamp("us", "UTC")  # a zone that Arrow has no name for: the same instant
        result = join(result, pa.timestamp("us", one.tz)) or result
    return result


def _infer_structs(values: list[dict[Any, Any]]) -> pa.DataType:
    keys = dict.fromkeys(key for value in values for key in value)
    for key in keys:
        if not isinstance(key, str):
            raise Unfit(key, "keys of nested dicts must be strings")
    if not keys:
        return pa.null()  # no file format here has a struct without fields: an empty dict counts as None
    return pa.struct(
        [(key, infer([value[key] for value in values if key in value])) for key in keys],
    )
