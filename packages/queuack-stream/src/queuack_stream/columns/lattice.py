"""The lattice along which a column's type widens: which type holds the values of two others.

null → anything
bool → int64 → decimal(38, 0) → decimal(76, 0) → string
int64 → float64;  decimal → float64 where a float comes in;  decimal(scale) → decimal(larger scale)
date → timestamp;  timestamps of two zones → UTC
lists by their elements, structs by their fields, a missing field being null
any two scalars that nothing else holds → string;  binary, lists and structs hold nothing else
"""

from __future__ import annotations

from typing import cast

import pyarrow as pa
import pyarrow.types as is_

BIG_INT = pa.decimal128(38, 0)
HUGE_INT = pa.decimal256(76, 0)
STAMP = pa.timestamp("us")


def join(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The narrowest type that holds the values of both, or None where there is none."""
    if a.equals(b) or is_.is_null(b):
        return a
    if is_.is_null(a):
        return b
    if is_.is_nested(a) or is_.is_nested(b):
        return _join_nested(a, b)
    if is_.is_binary(a) or is_.is_binary(b):
        return None
    if _is_number(a) and _is_number(b):
        return _join_numbers(a, b)
    if is_.is_date(a) and is_.is_timestamp(b) and b.tz is None:
        return b
    if is_.is_date(b) and is_.is_timestamp(a) and a.tz is None:
        return a
    if is_.is_timestamp(a) and is_.is_timestamp(b) and a.tz is not None and b.tz is not None:
        return pa.timestamp("us", "UTC")
    return pa.string()


def decimal_type(whole: int, scale: int) -> pa.DataType:
    """The decimal of at least that many digits before and after the point, or string if there is none.

    It is always as wide as its storage, so that only a larger scale or a great number widens the column.
    """
    whole = max(whole, 0)
    if whole + scale <= 38:
        return pa.decimal128(38, scale)
    return pa.decimal256(76, scale) if whole + scale <= 76 else pa.string()


def _is_number(t: pa.DataType) -> bool:
    return cast("bool", is_.is_boolean(t) or is_.is_integer(t) or is_.is_floating(t) or is_.is_decimal(t))


def _join_numbers(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    if is_.is_floating(a) or is_.is_floating(b):
        return pa.float64()
    if not is_.is_decimal(a) and not is_.is_decimal(b):
        return pa.int64()
    whole_a, scale_a = _digits(a)
    whole_b, scale_b = _digits(b)
    scale = max(scale_a, scale_b)
    if max(whole_a, whole_b) + scale <= 38:
        return decimal_type(max(whole_a, whole_b), scale)
    # Both are as wide as their storage, which says nothing about their values: the next storage holds them.
    return pa.decimal256(76, scale) if scale <= 38 else pa.string()


def _digits(t: pa.DataType) -> tuple[int, int]:
    if is_.is_decimal(t):
        return t.precision - t.scale, t.scale
    return 19, 0


def _join_nested(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if is_.is_list(a) and is_.is_list(b):
        inner = join(a.value_type, b.value_type)
        return None if inner is None else pa.list_(inner)
    if not (is_.is_struct(a) and is_.is_struct(b)):
        return None
    fields = {field.name: field.type for field in a}
    for field in b:
        joined = join(fields.get(field.name, pa.null()), field.type)
        if joined is None:
            return None
        fields[field.name] = joined
    return pa.struct(list(fields.items()))
