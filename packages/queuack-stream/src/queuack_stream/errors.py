"""Every error of this package, in one tree; each says which thing, what is wrong and what to do.

StreamError
├── UnknownFormatError      a suffix, format, codec or option this package doesn't know (a ValueError)
├── SchemaError             a schema that can't be used, or that rows don't fit (a ValueError)
├── RowError                a value that can't be written; carries row, column, value (a ValueError)
├── CorruptFileError        a file that ends early or holds nonsense; carries path, place (a ValueError)
├── QueryError              a select, where or sql that doesn't fit the file (a ValueError)
├── UntrustedFileError      a pickle that may not be opened (a PermissionError)
├── LengthUnknownError      len() of a file that would have to be read for it (a TypeError)
├── NotAPathError           a streaming task that returned something else (a TypeError)
└── MissingLibraryError     an optional library that isn't installed (an ImportError)
"""

from __future__ import annotations

from typing import Any

_SHOWN = 80


class StreamError(Exception):
    """The root of every error that queuack-stream raises on its own account."""


class UnknownFormatError(StreamError, ValueError):
    """A format, suffix, codec or option is not known."""


class SchemaError(StreamError, ValueError):
    """A declared schema can't be used, or a file's rows don't fit it (or any one schema)."""


class QueryError(StreamError, ValueError):
    """A selection, condition or query doesn't fit the file."""


class UntrustedFileError(StreamError, PermissionError):
    """A pickle from somewhere that isn't trusted was not opened."""


class LengthUnknownError(StreamError, TypeError):
    """The number of rows is not written in the file."""


class MissingLibraryError(StreamError, ImportError):
    """A library that this call needs is not installed."""


class NotAPathError(StreamError, TypeError):
    """A streaming task returned something that is not the path of a file."""


class RowError(StreamError, ValueError):
    """A row holds something the format can't carry.

    `row` counts from 0; `column` is None where the row as a whole is meant.
    """

    def __init__(self, row: int, column: str | None, value: object, why: str, hint: str) -> None:
        self.row = row
        self.column = column
        self.value = value
        self.why = why
        self.hint = hint
        where = f"row {row}" if column is None else f"row {row}, column {column!r}"
        super().__init__(f"{where}: {why} (value: {shown(value)}; rows count from 0). {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.row, self.column, shown(self.value), self.why, self.hint)


class CorruptFileError(StreamError, ValueError):
    """A file ends early or holds something that is not its format, at `place`."""

    def __init__(self, path: str, place: str, why: str) -> None:
        self.path = path
        self.place = place
        self.why = why
        super().__init__(
            f"{path}: {place}: {why}. The rows before it were good; write the file again, or read only those."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.place, self.why)


def shown(value: object) -> str:
    """A value as an error shows it: its repr, cut to 80 characters."""
    if isinstance(value, str | bytes):
        value = value[: _SHOWN + 1]  # the repr of a value of gigabytes would be gigabytes
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
