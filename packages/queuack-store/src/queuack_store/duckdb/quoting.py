"""Text and names inside SQL, where no parameter can stand."""

from __future__ import annotations


def text(value: object) -> str:
    """Return a value's text as a SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def name(value: str) -> str:
    """Return a name of a database, table or column as SQL takes any name."""
    return '"' + value.replace('"', '""') + '"'
