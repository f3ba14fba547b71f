"""From a path to a connection that is whole, up to date and locked down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.duckdb.connection import connect, lock_down
from queuack_store.duckdb.failures import explain_opening
from queuack_store.duckdb.migrate import bring_up_to_date


def open_writer(path: Path | None) -> Any:
    """Open (or make) the database and return the connection that writes to it."""
    if path is None:
        connection = connect(None)
        bring_up_to_date(connection, ":memory:")
        lock_down(connection, [])
        return connection
    if not path.exists():
        create(path)
    try:
        connection = connect(path)
    except duckdb.Error as error:
        known = explain_opening(error, path)
        if known is None:
            raise
        raise known from error
    try:
        bring_up_to_date(connection, str(path))
        lock_down(connection, [files_folder(path)])
    except BaseException:
        connection.close()
        raise
    return connection


def files_folder(path: Path) -> Path:
    """Return the private folder beside the database for large query results."""
    return Path(f"{path}.files")


def create(path: Path) -> None:
    """Make a database with its schema: whole and durable under its name, or not there at all (A8)."""
    draft = path.with_name(f".{path.name}.new-{os.getpid()}")
    for stale in (draft, Path(f"{draft}.wal")):
        stale.unlink(missing_ok=True)
    connection = connect(draft)
    try:
        bring_up_to_date(connection, str(path))
    finally:
        connection.close()
    with open(draft, "rb+") as file:
        os.fsync(file.fileno())
    os.rename(draft, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable; DuckDB never does (A2)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
