"""A user's SELECT, run read-only on a cursor of its own, with a time limit; small results travel as rows."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from queuack_store.duckdb import quoting
from queuack_store.duckdb.checking import check_select
from queuack_store.duckdb.connection import Connections
from queuack_store.duckdb.files import new_file
from queuack_store.duckdb.values import pack_rows
from queuack_store.engine.reads import ReadSql
from queuack_store.errors import QueryError
from queuack_store.requests import Table

MAX_ROWS = 10_000  # more rows, or more bytes, travel as a file
MAX_BYTES = 4 << 20

# Python's fetch needs pytz for a zoned time; the session's zone is UTC, so that its naive form is exact.
_ZONED = re.compile(r"TIMESTAMP WITH TIME ZONE")
# Parquet has no 128-bit integers and would store doubles; the reader casts the text back to the type.
_HUGE = re.compile(r"\bU?HUGEINT\b")


def run_select(connections: Connections, path: Path | None, read: ReadSql) -> Table:
    """Run one checked SELECT.

    Raises:
        QueryError: it was refused, failed or took longer than its time limit.
    """
    with connections.reader() as reader:
        cursor = reader.cursor
        check_select(cursor, read.query)
        try:
            with _time_limit(cursor, read.timeout_s) as expired:
                return _run(cursor, path, read)
        except duckdb.InterruptException as error:
            why = f"took longer than {read.timeout_s:g} s" if expired.is_set() else "was interrupted"
            raise QueryError(
                f"the query {why}: narrow it, or give it a longer timeout", query=read.query
            ) from error
        except duckdb.Error as error:
            raise QueryError(f"the query failed: {error}", query=read.query) from error


def _run(cursor: Any, path: Path | None, read: ReadSql) -> Table:
    cursor.execute(read.query, read.params)
    columns = [column[0] for column in cursor.description]
    types = [str(column[1]) for column in cursor.description]
    if not read.as_file or path is None:
        zoned = [place for place, kind in enumerate(types) if _ZONED.search(kind)]
        if zoned:
            cursor.execute(_recast(read.query, columns, types, _ZONED, "TIMESTAMP"), read.params)
        rows = cursor.fetchmany(MAX_ROWS + 1) if path else cursor.fetchall()
        if path is None or len(rows) <= MAX_ROWS:
            packed = pack_rows(rows, zoned)
            if path is None or len(msgspec.msgpack.encode(packed)) <= MAX_BYTES:
                return Table(columns, types, packed)
    cursor.abort()
    return Table(columns, types, path=str(_to_file(cursor, path, read, columns, types)))


def _to_file(cursor: Any, path: Path, read: ReadSql, columns: list[str], types: list[str]) -> Path:
    target = new_file(path)
    query = _recast(read.query, columns, types, _HUGE, "VARCHAR")
    copy = f"COPY ({query}) TO {quoting.text(target)} (FORMAT parquet, COMPRESSION zstd)"
    cursor.execute(copy, read.params)
    os.chmod(target, 0o600)
    return target


def _recast(query: str, columns: list[str], types: list[str], old: re.Pattern[str], new: str) -> str:
    """Wrap the query so that columns of one type, nested ones too, come back as another."""
    parts = []
    for place, (name, kind) in enumerate(zip(columns, types, strict=True), 1):
        cast = f"CAST(#{place} AS {old.sub(new, kind)})" if old.search(kind) else f"#{place}"
        parts.append(f"{cast} AS {quoting.name(name)}")
    return f"SELECT {', '.join(parts)} FROM (\n{query.rstrip().rstrip(';')}\n)"


@contextmanager
def _time_limit(cursor: Any, timeout_s: float) -> Iterator[threading.Event]:
    """Interrupt the cursor once `timeout_s` has passed; the event says whether that happened."""
    expired = threading.Event()
    done = threading.Event()

    def watch() -> None:
        if done.wait(timeout_s):
            return
        expired.set()
        while not done.wait(0.05):  # again: an interrupt between two statements is lost
            cursor.interrupt()

    watcher = threading.Thread(target=watch, name="queuack-sql-timeout", daemon=True)
    watcher.start()
    try:
        yield expired
    finally:
        done.set()
        watcher.join()
