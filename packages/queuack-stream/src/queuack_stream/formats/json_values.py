"""Python values → JSON text where the fast encoder refuses: lone surrogates, keys that aren't text."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import json
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from queuack_stream.columns.numpy_values import from_numpy, is_numpy

# What msgspec (or json) raises for a value it has no JSON for.
REFUSALS = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


def unusual(value: Any) -> Any:
    """A value that msgspec doesn't know as one that it does: numpy's, mappings, pandas' times, bases."""
    if isinstance(value, Mapping):
        return dict(value)
    bases: tuple[Any, ...] = (str, int, float, list, tuple, bytes)
    for base in bases:
        if isinstance(value, base):
            return base(value)
    if is_numpy(value):
        return from_numpy(value)
    if isinstance(value, dt.date | dt.timedelta):
        return _plain_time(value)
    raise TypeError(f"type {type(value).__name__} has no JSON form")


def _plain_time(value: Any) -> Any:
    """A time of a class of its own, such as pandas.Timestamp, as the standard library's; NaT as None."""
    if value != value:
        return None
    if isinstance(value, dt.datetime):
        return dt.datetime.combine(value.date(), value.timetz())
    if isinstance(value, dt.date):
        return dt.date(value.year, value.month, value.day)
    return dt.timedelta(value.days, value.seconds, value.microseconds)


def slow_json(value: Any) -> bytes:
    """One value as JSON by the standard library, with lone surrogates escaped. Raises one of REFUSALS."""
    return json.dumps(jsonable(value), separators=(",", ":"), allow_nan=False).encode()


def jsonable(value: Any) -> Any:
    """A value of JSON's own types that stands for the given one, as msgspec would write it."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return jsonable(value.value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return msgspec.to_builtins(value, enc_hook=unusual)
    if hasattr(value, "dtype"):
        return jsonable(unusual(value))
    return msgspec.to_builtins(value, enc_hook=unusual)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    found = jsonable(key)
    if found is None or isinstance(found, bool | int | float | str):
        return found if isinstance(found, str) else json.dumps(found)
    raise TypeError(f"a dict key of type {type(key).__name__} has no JSON form")
