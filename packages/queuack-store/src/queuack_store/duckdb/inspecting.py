"""Looking at a database file without changing it: does it open, is it ours, do its rows agree, what is stuck.

DuckDB opens it read-only and replays a log that a crash left in memory: file and log stay as they are.
Only for the holder of the file's lock.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.duckdb.connection import lock_down
from queuack_store.duckdb.failures import explain_opening, unreadable
from queuack_store.duckdb.migrate import refuse_newer, version_of
from queuack_store.duckdb.queries import latest_version, sql
from queuack_store.duckdb.repair import connect_repaired, would_mend
from queuack_store.durable import sync
from queuack_store.errors import StorageError

_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "512MB", "threads": "2"}


@dataclass(slots=True)
class Inspection:
    """What was found in the file; `error` says why no more could be."""

    error: StorageError | None = None
    mends: str | None = None  # what opening will repair by itself, exactly
    schema: int | None = None
    database_id: bytes | None = None
    cycle: int | None = None
    broken: list[tuple[str, int]] = field(default_factory=list)
    stuck: list[tuple[str, int]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def inspect(path: Path) -> Inspection:
    """Look at the file; damage is reported, not raised."""
    found = Inspection()
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_CONFIG)
    except duckdb.Error as error:
        found.error = explain_opening(error, path)
        if found.error is None:
            found.mends, found.error = would_mend(path, error)
        if found.mends is not None:
            _try_on_a_copy(path, found)
        return found
    with _reported(connection, path, found):
        lock_down(connection, [])
        _look(connection, str(path), found)
    return found


@contextmanager
def _reported(connection: Any, path: Path, found: Inspection) -> Iterator[None]:
    """Keep what goes wrong as what was found, and close the connection."""
    try:
        yield
    except StorageError as error:
        found.error = error
    except duckdb.Error as error:
        found.error = unreadable(error, path)
    finally:
        connection.close()


def _try_on_a_copy(path: Path, found: Inspection) -> None:
    """See whether what opening would mend is all that is wrong, and look at what it would find then."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.doctor-", dir=path.parent) as folder:
        copy = Path(folder, path.name)
        try:
            for suffix in ("", ".wal"):
                if os.path.exists(f"{path}{suffix}"):
                    shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            connection, _ = connect_repaired(copy, log=False)
        except StorageError as error:
            found.mends = None
            found.error = type(error)(error.message.replace(str(copy), str(path)), path=str(path))
            return
        except OSError:
            return  # no room for a copy: opening will tell
        with _reported(connection, path, found):
            _look(connection, str(path), found)


def _look(connection: Any, path: str, found: Inspection) -> None:
    tables = {row[0] for row in connection.execute(sql("tables")).fetchall()}
    found.schema = version_of(connection, tables, path)
    if found.schema == 0:
        return  # somebody else's tables, or none: opening adds ours
    refuse_newer(path, found.schema)
    _, found.database_id, found.cycle, _, _ = connection.execute(sql("select_meta")).fetchone()
    if found.schema < latest_version():
        return
    found.counts = dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY ALL").fetchall())
    found.broken = connection.execute(sql("check_invariants")).fetchall()
    found.stuck = connection.execute(sql("stuck")).fetchall()


def give_identity(path: Path, database_id: bytes) -> None:
    """Make a new, empty database the one that a journal belongs to."""
    _change(path, "UPDATE queuack_meta SET database_id = $value", database_id)


def pass_over(path: Path, cycle: int) -> None:
    """Let a cycle count as applied that DuckDB will never take."""
    _change(path, "UPDATE queuack_meta SET cycle = $value", cycle)


def _change(path: Path, statement: str, value: object) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement, {"value": value})
        connection.execute("CHECKPOINT")
    sync(path)
