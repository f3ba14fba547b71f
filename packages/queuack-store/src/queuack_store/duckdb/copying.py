"""Copies for keeping, made on a cursor beside the engine: the whole database, or the history as Parquet.

All is done by DuckDB itself, in one snapshot: opening the database's file a second time in this process would
drop DuckDB's lock on it (trap T3). The copy stands in the private folder; whoever asked moves it away.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.duckdb import quoting
from queuack_store.duckdb.applier import roll_back
from queuack_store.duckdb.connection import Connections
from queuack_store.duckdb.failures import is_full
from queuack_store.duckdb.queries import sql
from queuack_store.durable import sync
from queuack_store.engine.reads import ReadBackup, ReadExport
from queuack_store.errors import StorageError, StorageFullError, StoreClosedError
from queuack_store.requests import Copied

_COUNTED = ("jobs", "job_attempts", "job_dependencies", "dag_runs")
_RESERVE_BYTES = 64 << 20  # what a copy leaves free on the disk, for the journal and the next checkpoint
_NO_BOUNDS = (0.0, 253_402_300_799.0)  # to the end of the year 9999


def back_up(connections: Connections, path: Path | None, read: ReadBackup) -> Copied:
    """Copy the database into a file of its own: another database id, and nobody's session open.

    Raises:
        StorageFullError: there is no room for it. StorageError: DuckDB could not make it.
    """
    with connections.copier() as cursor, _explained("backup"):
        target = _folder(cursor) / f"{read.name}.db"
        remove_copy(target)
        if path is not None:
            _check_room(path)
        alias = f"queuack_copy_{read.name}"
        try:
            cursor.execute(f"ATTACH {quoting.text(target)} AS {alias}")
            try:
                rows = _fill(cursor, alias)
                cursor.execute(f"CHECKPOINT {alias}")
            finally:
                roll_back(cursor)
                cursor.execute(f"DETACH {alias}")
            os.chmod(target, 0o600)
        except BaseException:
            remove_copy(target)
            raise
        return Copied(str(target), rows)


def _fill(cursor: Any, alias: str) -> dict[str, int]:
    """Copy everything, other programs' tables too, in one transaction: it is as of one moment."""
    (source,) = cursor.execute("SELECT current_database()").fetchone()
    cursor.execute("BEGIN TRANSACTION")
    cursor.execute(f"COPY FROM DATABASE {quoting.name(source)} TO {alias}")
    # A copy goes its own way from here on: the journal of the original is not its journal.
    cursor.execute(f"UPDATE {alias}.main.queuack_meta SET database_id = $id", {"id": os.urandom(16)})
    for table in ("queuack_sessions", "queuack_answers"):
        cursor.execute(f"DELETE FROM {alias}.main.{table}")
    counted = {t: cursor.execute(f"SELECT count(*) FROM {alias}.main.{t}").fetchone()[0] for t in _COUNTED}
    cursor.execute("COMMIT")
    return counted


def export_history(connections: Connections, read: ReadExport) -> Copied:
    """Write `jobs/day=…/` and `job_attempts/day=…/`, both of one snapshot, durable when it returns.

    Raises:
        StorageFullError: there is no room for it. StorageError: DuckDB could not write it.
    """
    with connections.copier() as cursor, _explained("export"):
        target = _folder(cursor) / read.name
        remove_copy(target)
        target.mkdir(mode=0o700)
        since = _NO_BOUNDS[0] if read.since is None else read.since
        until = _NO_BOUNDS[1] if read.until is None else read.until
        rows = {}
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            for table in ("jobs", "job_attempts"):
                part = target / table
                part.mkdir(mode=0o700)
                cursor.execute(
                    f"COPY ({sql(f'export_{table}')}) TO {quoting.text(part)} "
                    "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE_OR_IGNORE)",
                    {"since": since, "until": until},
                )
                rows[table] = cursor.fetchone()[0]
            _settle(target)
        except BaseException:
            remove_copy(target)
            raise
        return Copied(str(target), rows)


def _settle(folder: Path) -> None:
    """Make all files private to this user, and durable, with their names."""
    for place, _, files in os.walk(folder, topdown=False):
        os.chmod(place, 0o700)
        for file in files:
            os.chmod(os.path.join(place, file), 0o600)
            sync(os.path.join(place, file))
        sync(place)


def _folder(cursor: Any) -> Path:
    """Return the one folder that the lock-down left open, made where it is missing."""
    (allowed,) = cursor.execute("SELECT current_setting('allowed_directories')").fetchone()
    folder = Path(allowed[0])
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _check_room(path: Path) -> None:
    """Refuse where the disk has no room: what is left over belongs to the queue itself."""
    size = os.stat(path).st_size
    disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < size + _RESERVE_BYTES:
        raise StorageFullError(
            f"no backup of {path}: it needs up to {size + _RESERVE_BYTES:,} bytes beside it, {free:,} are "
            "free. Make room there, then try again",
            path=str(path), needed=size + _RESERVE_BYTES, free=free,
        )  # fmt: skip


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except duckdb.InterruptException as error:
        raise StoreClosedError(f"the queue is closing: the {what} was given up") from error
    except (duckdb.Error, OSError) as error:
        kind = StorageFullError if is_full(error) else StorageError
        raise kind(f"the {what} could not be made: {error}. Nothing of it is left") from error


def remove_copy(target: Path) -> None:
    """Delete a copy, or what there is of it."""
    if target.is_dir():
        shutil.rmtree(target)
    for left in (target, Path(f"{target}.wal")):
        left.unlink(missing_ok=True)
