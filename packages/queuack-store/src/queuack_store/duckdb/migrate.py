"""The schema's version: a new file gets the latest, an older one goes forward, a newer one is refused."""

from __future__ import annotations

import os
from typing import Any

from queuack_store.duckdb.applier import roll_back
from queuack_store.duckdb.queries import latest_version, migrations, sql
from queuack_store.errors import DamagedFileError, NewerSchemaError, NotADatabaseError

OUR_TABLES = frozenset(
    {
        "jobs", "job_payloads", "job_results", "job_attempts", "job_dependencies", "dag_runs",
        "job_memos", "queuack_meta", "queuack_sessions", "queuack_answers", "queuack_queues",
        "queuack_retention",
    }
)  # fmt: skip


def bring_up_to_date(connection: Any, path: str) -> None:
    """Make the schema the latest one, in one transaction a version, and checkpoint where it changed.

    A file of someone else's tables is adopted as long as none has a name of ours.

    Raises:
        NewerSchemaError: a newer queuack wrote the file. NotADatabaseError: a table of another program has
        one of our names. DamagedFileError: tables of ours are missing.
    """
    found = {row[0] for row in connection.execute(sql("tables")).fetchall()}
    version = version_of(connection, found, path)
    latest = latest_version()
    refuse_newer(path, version)
    if version == latest:
        return
    for step in range(version + 1, latest + 1):
        _migrate(connection, step)
    # Most open faults of DuckDB's log replay involve DDL in the log: let it hold none.
    connection.execute("CHECKPOINT")


def refuse_newer(path: str, version: int) -> None:
    """Raise NewerSchemaError where a newer queuack wrote the file."""
    latest = latest_version()
    if version > latest:
        raise NewerSchemaError(
            f"{path} has schema version {version}, this queuack knows up to {latest}: upgrade queuack",
            path=path, version=version, known=latest,
        )  # fmt: skip


def version_of(connection: Any, found: set[str], path: str) -> int:
    """Return the schema's version, given the names of the tables; 0 where none of ours is there."""
    if "queuack_meta" in found:
        row = connection.execute(sql("select_meta")).fetchone()
        missing = OUR_TABLES - found
        if row is None or missing:
            what = ", ".join(sorted(missing)) or "the row of queuack_meta"
            raise DamagedFileError(f"{path} is incomplete ({what} missing): restore a backup", path=path)
        return int(row[0])
    taken = OUR_TABLES & found
    if taken:
        raise NotADatabaseError(
            f"{path} is a DuckDB file with tables of another program named {', '.join(sorted(taken))}: "
            "rename them, or give the queue a file of its own",
            path=path, tables=sorted(taken),
        )  # fmt: skip
    return 0


def _migrate(connection: Any, version: int) -> None:
    connection.execute("BEGIN TRANSACTION")
    try:
        for statement in migrations()[version]:
            connection.execute(statement)
        if version == 1:
            connection.execute(sql("insert_meta"), {"schema_version": 1, "database_id": os.urandom(16)})
        else:
            connection.execute(sql("update_schema_version"), {"schema_version": version})
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
