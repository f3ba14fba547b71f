"""From a path to a connection that is whole, up to date and locked down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.duckdb.connection import connect, lock_down
from queuack_store.duckdb.failures import explain_opening, unreadable
from queuack_store.duckdb.files import folder_of, memory_folder
from queuack_store.duckdb.migrate import bring_up_to_date
from queuack_store.duckdb.queries import sql
from queuack_store.duckdb.repair import connect_repaired, refuse_orphan_log, set_aside_aborted
from queuack_store.durable import sync
from queuack_store.errors import DamagedFileError, ReadOnlyStoreError


def open_writer(path: Path | None) -> Any:
    """Open (or make, repair, migrate) the database and return the connection that writes to it."""
    if path is None:
        connection = connect(None)
        bring_up_to_date(connection, ":memory:")
        lock_down(connection, [memory_folder()])
        return connection
    if not path.exists() or set_aside_aborted(path):
        refuse_orphan_log(path)
        create(path)
    connection, mended = connect_repaired(path)
    try:
        bring_up_to_date(connection, str(path))
        if mended:
            _check(connection, path)
            connection.execute("CHECKPOINT")  # writes the mended block anew
        lock_down(connection, [folder_of(path)])
    except BaseException as error:
        connection.close()
        if isinstance(error, duckdb.Error) and "Corrupt database file" in str(error):
            raise unreadable(error, path) from error
        raise
    return connection


def create(path: Path) -> None:
    """Make a database with its schema: whole and durable under its name, or not there at all.

    The draft has one name, for only who holds the lock makes one: what a killed process left is replaced.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        _make(draft)
        os.rename(draft, path)
        sync(path.parent)
    except duckdb.Error as error:
        known = explain_opening(error, path)
        if known is None:
            raise
        raise known from error
    except PermissionError as error:
        raise ReadOnlyStoreError(
            f"{path.parent} can't be written: give this user write access, or choose another path",
            path=str(path),
        ) from error
    finally:
        _remove(draft)


def _make(draft: Path) -> None:
    _remove(draft)
    connection = connect(draft)
    try:
        bring_up_to_date(connection, str(draft))
    finally:
        connection.close()
    os.chmod(draft, 0o600)
    sync(draft)


def _remove(draft: Path) -> None:
    for left in (draft, Path(f"{draft}.wal")):
        left.unlink(missing_ok=True)


def _check(connection: Any, path: Path) -> None:
    broken = connection.execute(sql("check_invariants")).fetchall()
    if broken:
        named = ", ".join(f"{rule} ({count} do not hold)" for rule, count in broken)
        raise DamagedFileError(
            f"{path} was repaired so far that it opens, but its rows contradict each other: {named}. "
            "Restore a backup; the original is kept beside it",
            path=str(path), broken=[rule for rule, _ in broken],
        )  # fmt: skip
