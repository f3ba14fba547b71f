"""One DuckDB instance, locked down: the connection that writes, and a pool of cursors that read.

A cursor is used by one thread at a time (trap T6: shared, it hands one thread the rows of another).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.duckdb import quoting
from queuack_store.duckdb.applier import roll_back
from queuack_store.duckdb.files import spill_folder
from queuack_store.duckdb.readers import Reader
from queuack_store.errors import StoreClosedError

_MAX_IDLE_READERS = 4  # each keeps a little of DuckDB's memory; more are made under load and closed after it
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": "2",
    "allocator_background_threads": "true",  # gives memory back to the system when a burst is over
    # DuckDB must never checkpoint by itself: a checkpoint is where a kill can tear the file (trap T1).
    "wal_autocheckpoint": "1TB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",  # a query must not reach this process's Python variables
}


def connect(path: Path | None) -> Any:
    """Open the file (None: in memory) with checkpoints at shutdown off, not yet locked down."""
    # A cap for a file. In memory the jobs themselves are counted, and nothing may go to the disk.
    bounds = (
        {"temp_directory": ""}
        if path is None
        else {"memory_limit": "512MB", "temp_directory": str(spill_folder(path))}
    )
    connection = duckdb.connect(":memory:" if path is None else str(path), config={**_CONFIG, **bounds})
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")  # trap T4
    connection.execute("SET TimeZone = 'UTC'")
    # It unpacks 2,048 values to find one. (Given to `connect` the setting has no effect in DuckDB 2.0.)
    connection.execute("SET disabled_compression_methods = 'zstd'")
    return connection


def lock_down(connection: Any, directories: list[Path]) -> None:
    """Shut the instance off from files outside `directories`, extensions and settings; can't be undone."""
    if directories:
        named = ", ".join(quoting.text(folder) for folder in directories)
        connection.execute(f"SET allowed_directories = [{named}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


class Connections:
    """The writer's connection and the readers beside it."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer
        self._idle: list[Reader] = []
        self._busy: set[Reader] = set()
        self._changed = threading.Condition()
        self._open = True

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Lend a reader inside a read-only transaction: one snapshot, whatever is applied meanwhile.

        Raises:
            StoreClosedError: the instance is closed or being made good again.
        """
        reader = self._take()
        try:
            reader.cursor.execute("BEGIN TRANSACTION READ ONLY")
            yield reader
        finally:
            roll_back(reader.cursor)
            self._give_back(reader)

    @contextmanager
    def copier(self) -> Iterator[Any]:
        """Lend a cursor outside any transaction, for what copies the database; closed afterwards.

        Raises:
            StoreClosedError: the instance is closed or being made good again.
        """
        reader = self._take()
        try:
            yield reader.cursor
        finally:
            roll_back(reader.cursor)
            self._give_back(reader)

    def _take(self) -> Reader:
        with self._changed:
            if not self._open:
                raise StoreClosedError("the database is closed: open the queue again")
            reader = self._idle.pop() if self._idle else Reader(self.writer.cursor())
            self._busy.add(reader)
            return reader

    def _give_back(self, reader: Reader) -> None:
        with self._changed:
            self._busy.discard(reader)
            if self._open and len(self._idle) < _MAX_IDLE_READERS:
                self._idle.append(reader)
            else:
                reader.cursor.close()
            self._changed.notify_all()

    def end_reads(self) -> None:
        """Interrupt the readers, wait for them, and lend none any more."""
        with self._changed:
            self._open = False
            while self._busy:
                for reader in self._busy:
                    reader.cursor.interrupt()
                # Asked again because an interrupt that comes between two statements is lost.
                self._changed.wait(0.05)
            for reader in self._idle:
                reader.cursor.close()
            self._idle.clear()

    def close(self) -> None:
        """End the reads and close everything: only then is the file free."""
        self.end_reads()
        self.writer.close()

    def abandon(self) -> None:
        """Keep every connection from ever being destroyed in this process, a forked child (trap T4)."""
        for held in (self.writer, *(reader.cursor for reader in (*self._idle, *self._busy))):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))
        self._open = False
