"""What `schema=` may be, and which values a declared type takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.types as is_

from queuack_stream.columns.lattice import STAMP
from queuack_stream.errors import SchemaError

_BY_CLASS: dict[Any, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    dt.date: pa.date32(),
    dt.datetime: STAMP,
    dt.time: pa.time64("us"),
    dt.timedelta: pa.duration("us"),
    Decimal: pa.decimal128(38, 9),
}
_BY_NAME: dict[str, pa.DataType] = {
    **{kind.__name__: found for kind, found in _BY_CLASS.items()},
    "decimal": _BY_CLASS[Decimal],
    "timestamp": STAMP,
    "timestamp_utc": pa.timestamp("us", "UTC"),
    "duration": pa.duration("us"),
    "time": pa.time64("us"),
}


def read_schema(schema: Any) -> pa.Schema | None:
    """A pyarrow schema from one, or from a dict of name → type; None stays None.

    A type is a pyarrow type, a Python class (`int`, `datetime.date`, `decimal.Decimal`, …) or a name
    ("int64", "string", "timestamp", "decimal", …).

    Raises:
        SchemaError: it is none of these.
    """
    if schema is None or isinstance(schema, pa.Schema):
        if schema is not None and len(set(schema.names)) != len(schema.names):
            raise SchemaError(f"the schema names a column twice: {schema.names}")
        return schema
    if not isinstance(schema, Mapping):
        raise SchemaError(
            f"schema= takes a pyarrow.Schema or a dict of name → type, not {type(schema).__name__}"
        )
    return pa.schema([pa.field(name, _read_type(name, kind)) for name, kind in schema.items()])


def _read_type(name: Any, kind: Any) -> pa.DataType:
    if not isinstance(name, str):
        raise SchemaError(f"a column's name must be a string, not {name!r}")
    if isinstance(kind, pa.DataType):
        return kind
    try:
        return _BY_NAME.get(kind) or pa.type_for_alias(kind) if isinstance(kind, str) else _BY_CLASS[kind]
    except (KeyError, ValueError, TypeError):
        raise SchemaError(
            f"column {name!r}: {kind!r} is not a type; give a pyarrow type, a class ({_classes()}),"
            f" or a name such as 'int64', {', '.join(map(repr, sorted(_BY_NAME)))}"
        ) from None


def _classes() -> str:
    return ", ".join(kind.__name__ for kind in _BY_CLASS)


def accepts(declared: pa.DataType, found: pa.DataType) -> bool:
    """Whether a declared type takes values of an inferred one; ranges are checked on conversion."""
    if declared.equals(found) or is_.is_null(found):
        return True
    if is_.is_dictionary(declared):
        return accepts(declared.value_type, found)
    if is_.is_struct(declared):
        return is_.is_struct(found) and all(
            (at := declared.get_field_index(field.name)) >= 0 and accepts(declared.field(at).type, field.type)
            for field in found
        )
    if is_.is_list(declared) or is_.is_large_list(declared) or is_.is_fixed_size_list(declared):
        return bool(is_.is_list(found)) and accepts(declared.value_type, found.value_type)
    if is_.is_map(declared):
        return bool(is_.is_list(found) or is_.is_struct(found))
    if is_.is_timestamp(declared):
        return bool(is_.is_timestamp(found)) and (declared.tz is None) == (found.tz is None)
    return _accepts_scalar(declared, found)


def _accepts_scalar(declared: pa.DataType, found: pa.DataType) -> bool:
    whole = is_.is_integer(found) or (is_.is_decimal(found) and found.scale == 0)
    if is_.is_integer(declared):
        return bool(whole)
    if is_.is_floating(declared):
        return bool(whole or is_.is_floating(found))
    if is_.is_decimal(declared):
        return bool(whole or is_.is_decimal(found))
    families = (
        (is_.is_string, is_.is_large_string, is_.is_string_view),
        (is_.is_binary, is_.is_large_binary, is_.is_fixed_size_binary, is_.is_binary_view),
        (is_.is_date,),
        (is_.is_time,),
        (is_.is_duration,),
    )
    return any(
        any(test(declared) for test in family) and any(test(found) for test in family) for family in families
    )
