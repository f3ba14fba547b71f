"""One column while it is collected: values packed where they are numbers, else a list with the types seen."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.types as is_

from queuack_stream.columns.arrays import FAILURES, direct_kinds, to_array
from queuack_stream.columns.declared import accepts
from queuack_stream.columns.kinds import NONE, Unfit, infer, infer_each
from queuack_stream.columns.lattice import join
from queuack_stream.errors import RowError

# Types whose values are small whatever they are; all others are weighed.
_SMALL = frozenset({NONE, bool, int, float})
_TEXT = {str}

# Columns known to be numbers are packed as they come: an array refuses what isn't one, which both checks the
# types and converts the values, in half the time of doing either apart.
_PACKED = {pa.int64(): ("q", int), pa.float64(): ("d", float)}
_REFUSALS = (TypeError, OverflowError)


class Column:
    """One column's values since the last `take`, and the Arrow type that all of them so far need."""

    __slots__ = ("_kinds", "_packed", "_seen", "_values", "declared", "name", "type")

    def __init__(self, name: str, declared: pa.Field | None, missing: int) -> None:
        self.name = name
        self.declared = declared
        self.type: pa.DataType = declared.type if declared is not None else pa.null()
        self._values: list[Any] = [None] * missing
        self._kinds: set[type] = {NONE} if missing else set()
        self._seen: set[type] = set()
        self._packed: array[Any] | None = None

    def add(self, values: list[Any]) -> int:
        """Takes in some values; returns about how many bytes they have beyond a number's size."""
        if self._packed is not None:
            try:
                self._packed.fromlist(values)
                return 0
            except _REFUSALS:  # None, text, a float among ints: as a list from here on
                self._values = self._packed.tolist()
                self._packed = None
        elif self._kinds == _TEXT:
            try:
                size = len("".join(values))
            except TypeError:
                pass
            else:
                self._values += values
                return size
        self._values += values
        kinds = set(map(type, values))
        self._kinds |= kinds
        return 0 if kinds <= _SMALL else sum(map(weigh, values))

    def take(self, first_row: int) -> pa.Array:
        """The values so far as an array, widening the type where they need it, and begins anew.

        Raises:
            RowError: a value has no place in the column.
        """
        if self._packed is not None:
            packed = self._packed
            self._begin()
            return pa.Array.from_buffers(self.type, len(packed), [None, pa.py_buffer(packed)])
        values, kinds, before = self._values, self._kinds, self.type
        self._seen |= kinds
        try:
            return self._convert(values, kinds)
        except Unfit as unfit:
            raise self._refused(first_row, values, before, unfit) from unfit
        finally:
            self._begin()

    def _begin(self) -> None:
        self._values, self._kinds = [], set()
        code, kind = _PACKED.get(self.type, ("", NONE)) if self.declared is None else ("", NONE)
        self._packed = array(code) if code else None
        self._seen.add(kind)

    def _convert(self, values: list[Any], kinds: set[type]) -> pa.Array:
        if self.declared is not None and NONE in kinds and not self.declared.nullable:
            raise Unfit(None, "it may not be None")
        if kinds <= direct_kinds(self.type):
            try:
                return pa.array(values, self.type)
            except FAILURES:
                pass  # an int beyond 64 bits, or text that is not Unicode: looked at value by value below
        return self._take_declared(values) if self.declared is not None else self._take_widening(values)

    def _take_widening(self, values: list[Any]) -> pa.Array:
        found = infer(values)
        joined = join(self.type, found)
        if joined is None:
            for value in values:  # name the first value that doesn't go with what came before
                if join(self.type, infer([value])) is None:
                    raise Unfit(value, f"the column holds {self.type} so far, which takes no such value")
            raise Unfit(
                values[0], f"the column holds {self.type} so far, which doesn't go together with {found}"
            )
        self.type = joined
        return to_array(values, joined)

    def _take_declared(self, values: list[Any]) -> pa.Array:
        for same, found in infer_each(values):
            if not accepts(self.type, found):
                value = next(value for value in same if not accepts(self.type, infer([value])))
                raise Unfit(value, f"the column is declared {self.type}")
        return to_array(values, self.type)

    def _refused(self, first_row: int, values: list[Any], before: pa.DataType, unfit: Unfit) -> RowError:
        at = self._misfit(values, before)
        if at is None:  # each goes with the others by its type, and one is too large or too precise
            at = next((i for i, found in enumerate(values) if found is unfit.value), 0)
        value = unfit.value if _holds(values[at], unfit.value) else values[at]
        hint = "Convert it in the generator, declare the column with schema=, or write JSONL or pickle."
        return RowError(first_row + at, self.name, value, unfit.why, hint)

    def _misfit(self, values: list[Any], before: pa.DataType) -> int | None:
        """The place of the first value whose type doesn't go with those before it."""
        so_far: pa.DataType | None = before
        for at, value in enumerate(values):
            try:
                found = infer([value])
            except Unfit:
                return at
            if self.declared is not None:
                so_far = self.type if accepts(self.type, found) else None
            else:
                so_far = join(so_far, found)
            if so_far is None:
                return at
        return None

    def field(self) -> pa.Field:
        """The column's name and type, with a mark where whole numbers outgrew 64 bits."""
        if self.declared is not None:
            return self.declared
        whole = is_.is_decimal(self.type) and self.type.scale == 0 and self._seen <= {NONE, bool, int}
        return pa.field(self.name, self.type, metadata=WHOLE if whole else None)


WHOLE = {b"queuack": b"int"}  # a decimal column that comes back as Python ints


def weigh(value: Any) -> int:
    """About how many bytes a value holds, with what is in it."""
    if isinstance(value, dict):
        return 64 + sum(weigh(key) + weigh(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return 64 + sum(map(weigh, value))
    return sys.getsizeof(value)


def _holds(outer: Any, value: object) -> bool:
    """Whether a nested value holds the very object that was refused."""
    if isinstance(outer, Mapping):
        return any(key is value or item is value or _holds(item, value) for key, item in outer.items())
    if isinstance(outer, list | tuple | set | frozenset):
        return any(item is value or _holds(item, value) for item in outer)
    return False
