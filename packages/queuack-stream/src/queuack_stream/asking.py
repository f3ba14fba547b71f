"""What is asked of a file: which columns, and which rows by their values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from queuack_stream.errors import QueryError, shown


def _is_in(value: Any, choices: Any) -> bool:
    return value in choices


def _is_not_in(value: Any, choices: Any) -> bool:
    return value not in choices


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": _is_in,
    "not in": _is_not_in,
}


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: the column's value compared with a given one. None never passes, as in SQL."""

    column: str
    op: str
    value: Any

    def passes(self, row: Any) -> bool:
        """Whether a row meets it; a row without the column does not."""
        found = row.get(self.column)
        if found is None:
            return False
        try:
            return bool(OPERATORS[self.op](found, self.value))
        except TypeError as error:
            raise QueryError(
                f"where({self.column!r}, {self.op!r}, {shown(self.value)}) met {shown(found)}: {error}."
                " Compare with a value of the column's type, or give the reader a schema="
            ) from error


@dataclass(frozen=True, slots=True)
class Ask:
    """Columns (None: all) and conditions that must all hold."""

    columns: tuple[str, ...] | None = None
    tests: tuple[Test, ...] = ()

    def selecting(self, names: tuple[str, ...]) -> Ask:
        """This, narrowed to the named columns, in that order."""
        if not names or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
            raise QueryError(f"select takes one or more different column names, not {names!r}")
        if self.columns is not None and (missing := [name for name in names if name not in self.columns]):
            raise QueryError(f"columns {missing} were left out by an earlier select of {list(self.columns)}")
        return replace(self, columns=names)

    def testing(self, column: str, op: str, value: Any) -> Ask:
        """This, with one more condition."""
        if op not in OPERATORS:
            raise QueryError(f"{op!r} is not a comparison; use one of {', '.join(OPERATORS)}")
        if value is None:
            raise QueryError(f"where({column!r}, {op!r}, None) matches nothing; None compares with no value")
        if op in ("in", "not in"):
            value = (
                list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
            )
        return replace(self, tests=(*self.tests, Test(column, op, value)))

    def apply(self, rows: list[Any]) -> list[Any]:
        """The asked part of some rows, for formats that can't leave the rest unread."""
        if (self.tests or self.columns) and not all(isinstance(row, dict) for row in rows):
            raise QueryError("select and where need rows that are dicts; this file holds other values")
        for test in self.tests:
            rows = [row for row in rows if test.passes(row)]
        if self.columns is not None:
            names = self.columns
            rows = [{name: row.get(name) for name in names} for row in rows]
        return rows

    def check(self, known: Iterable[str]) -> None:
        """Raises QueryError where a column is asked for that the file doesn't have."""
        names = list(known)
        wanted = [*(self.columns or ()), *(test.column for test in self.tests)]
        if missing := sorted({name for name in wanted if name not in names}):
            raise QueryError(f"the file has no column {', '.join(map(repr, missing))}; it has {names}")
