"""numpy's scalars and arrays → Python values, without importing numpy (or Arrow: JSON lines need neither)."""

from __future__ import annotations

from typing import Any


def is_numpy(value: Any) -> bool:
    """Whether a value is one of numpy's, or offers the same methods."""
    return hasattr(value, "dtype") and hasattr(value, "tolist")


def from_numpy(value: Any) -> Any:
    """The Python value of a scalar, the (nested) list of an array; times to the microsecond."""
    if value.dtype.kind in "mM" and "[ns]" in value.dtype.str:  # which numpy itself would make an int
        value = value.astype(value.dtype.str.replace("[ns]", "[us]"))
    return value.tolist()
