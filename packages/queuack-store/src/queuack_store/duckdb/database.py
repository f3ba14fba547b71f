"""The rows behind the engine: one DuckDB file (or memory), opened, applied to, read, checkpointed, closed."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import duckdb

from queuack_store.clock import Clock
from queuack_store.duckdb import opening
from queuack_store.duckdb.applier import Applier, roll_back
from queuack_store.duckdb.connection import Connections
from queuack_store.duckdb.copying import back_up, export_history, remove_copy
from queuack_store.duckdb.failures import explain, is_fatal, is_full, unreadable
from queuack_store.duckdb.files import make_folder, remove_leftovers
from queuack_store.duckdb.guarded import run_select
from queuack_store.duckdb.log import Log
from queuack_store.duckdb.queries import sql
from queuack_store.engine.changes import Record
from queuack_store.engine.journalling import Probe
from queuack_store.engine.reads import (
    Read,
    ReadBackup,
    ReadDelayed,
    ReadExport,
    ReadJobs,
    ReadQuery,
    ReadReady,
    ReadResults,
    ReadSql,
    Snapshot,
)
from queuack_store.errors import FileReplacedError, StorageError, StoreClosedError
from queuack_store.outputs import Outputs
from queuack_store.requests import Copied

_log = logging.getLogger("queuack.duckdb")


def open_database(path: str | os.PathLike[str] | None, clock: Clock, probe: Probe) -> DuckBackend:
    """Open the rows in the DuckDB file at `path` (None: in memory), made, repaired or migrated as needed.

    The caller must hold the file's lock: two openings of one file in one process would not see each other.

    Raises:
        NotADatabaseError, NewerSchemaError, DamagedFileError, FileInUseError, ReadOnlyStoreError,
        StorageFullError: each names the file and what to do; nothing was changed.
    """
    return DuckBackend(None if path is None else Path(os.path.realpath(path)), clock, probe)


class DuckBackend:
    """Implements `engine.reads.Backend`.

    Attributes:
        database_id: 16 random bytes, given to the file when it was made.
        cycle: the last cycle applied and committed.
    """

    database_id: bytes
    cycle: int

    def __init__(self, path: Path | None, clock: Clock, probe: Probe) -> None:
        self._path = path
        self._probe = probe
        self._writing = threading.RLock()
        self._broken = False
        self._closed = False
        self._log = Log(path)
        self._connect()
        self._outputs = None if path is None else Outputs(path)

    def _connect(self) -> None:
        writer = opening.open_writer(self._path)
        self._connections = Connections(writer)
        self._applier = Applier(writer)
        _, self.database_id, self.cycle, _, _ = writer.execute(sql("select_meta")).fetchone()
        self._log.opened()
        if self._path is not None:
            make_folder(self._path)
        self._broken = False

    def snapshot(self) -> Snapshot:
        """Return the state as of the last applied cycle; called once, before anything else."""
        try:
            with self._connections.reader() as reader:
                return reader.snapshot()
        except duckdb.Error as error:
            raise unreadable(error, self._path) from error

    def apply(self, records: list[Record]) -> None:
        """Apply whole records, in order, in one transaction with the last one's cycle number.

        Records that are not newer than what was applied are passed over.

        Raises:
            StorageFullError: the disk is full (or DuckDB's memory); nothing was applied, try again.
            RecordRefusedError: DuckDB will never take one of the records; those before it were applied.
            FileReplacedError: the file or its log was taken away under this process.
        """
        with self._writing:
            if self._broken:
                self._reopen()
            fresh = [record for record in records if record.cycle > self.cycle]
            if not fresh:
                return
            self._refuse_another()
            if self._outputs is not None:
                # Before the rows: what is recorded will be applied, and after a crash both are done again.
                self._outputs.remove(job_id for record in fresh for job_id in record.purged)
            self._apply(fresh)
        self._probe("duckdb.applied")

    def _apply(self, records: list[Record], again: bool = False) -> None:
        try:
            self._applier.apply(records)
            self._read_cycle()
            if self.cycle != records[-1].cycle:
                raise StorageError(f"DuckDB committed cycle {records[-1].cycle} but holds {self.cycle}")
        except Exception as error:
            self._make_good(error)
            left = [record for record in records if record.cycle > self.cycle]
            if not left:
                return  # the commit had succeeded, what failed came after it
            if is_full(error) or again:
                raise explain(error, self._path, left[0].cycle) from error
            for record in left:  # what was no fault of a record passes; one that is refused is found
                self._apply([record], again=True)
            return
        self._log.committed()
        if self._log.was_taken_away():
            self._fence(records[-1].cycle)

    def _read_cycle(self) -> None:
        row = self._connections.writer.execute(sql("select_cycle")).fetchone()
        self.cycle = row[0]

    def _make_good(self, error: BaseException) -> None:
        """Leave the connection usable after a failure, and `cycle` true."""
        roll_back(self._connections.writer)
        try:
            if is_fatal(error):
                raise error
            self._read_cycle()
        except Exception:
            self._reopen()

    def _reopen(self) -> None:
        self._broken = True
        if self._path is None:
            raise StorageError("DuckDB's database in memory failed for good: its jobs are lost, open another")
        self._refuse_another()
        self._connections.close()
        self._connect()

    def _refuse_another(self) -> None:
        """Stop where the path leads to another database, or to none: DuckDB opens files by name."""
        if not self._log.database_is_in_place():
            raise FileReplacedError(
                f"{self._path} was deleted or replaced while it was in use: what was not yet in it may be in "
                "its journal; put the file back, or open what is there now",
                path=str(self._path),
            )

    def _fence(self, cycle: int) -> None:
        """The log's file is not the one that was written to: look at what is really there."""
        self._reopen()
        if self.cycle < cycle:
            raise FileReplacedError(
                f"{self._path} or its log was deleted, replaced or opened by another program while in use: "
                f"it holds cycle {self.cycle} of {cycle}",
                path=str(self._path), cycle=self.cycle, expected=cycle,
            )  # fmt: skip

    def read(self, read: Read) -> Any:
        """Run one read. Safe to call from several threads at once.

        Raises:
            QueryError: a user's SELECT was refused, failed, or took too long. StorageError: reading failed.
        """
        connections = self._connections
        try:
            return self._read(connections, read)
        except (duckdb.Error, StoreClosedError) as error:
            with self._writing:  # waits where the instance is just being made good again
                again = self._connections
            if self._closed:
                raise StoreClosedError("the database is closed: open the queue again") from error
            if again is connections:
                where = self._path or "the database in memory"
                raise StorageError(f"{where} can't be read: {error}") from error
            return self._read(again, read)

    def _read(self, connections: Connections, read: Read) -> Any:
        match read:
            case ReadSql():
                return run_select(connections, self._path, read)
            case ReadBackup():
                return back_up(connections, self._path, read)
            case ReadExport():
                return export_history(connections, read)
        with connections.reader() as reader:
            match read:
                case ReadJobs():
                    return reader.jobs(read)
                case ReadReady():
                    return reader.ready(read)
                case ReadDelayed():
                    return reader.delayed(read)
                case ReadResults():
                    return reader.results(read)
                case ReadQuery():
                    return reader.query(read)

    def end_reads(self) -> None:
        """Interrupt the reads that run, wait for them, and take no more."""
        self._connections.end_reads()

    def discard(self, copied: Copied) -> None:
        """Delete a copy that nobody will come for."""
        remove_copy(Path(copied.path))

    def checkpoint_due(self) -> bool:
        """Return whether DuckDB's log has grown to 64 MB or 20,000 transactions."""
        return self._path is not None and self._log.is_long()

    def checkpoint(self) -> bool:
        """Checkpoint; False where it must be tried again later: a long read, or too little disk."""
        if self._path is None:
            return True
        with self._writing:
            if not self._log.database_is_in_place():
                return False  # the log and the journal at the path may be another database's by now
            if self._broken:
                self._reopen()
            if not self._log.exists():
                return True  # nothing to do; every checkpoint less is a tear less (T1)
            if not self._log.has_room():
                return False
            try:
                self._connections.writer.execute("CHECKPOINT")
            except duckdb.TransactionException:
                return False  # a reader older than an update; never FORCE, it blocks every commit
            except duckdb.Error as error:
                _log.warning("checkpoint of %s failed: %s", self._path, error)
                self._make_good(error)
                return False
            self._log.checkpointed()
        self._probe("duckdb.checkpointed")
        return True

    def close(self) -> None:
        """Checkpoint where that is safe, then close the file; a second call does nothing."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            ours = self._log.database_is_in_place()
            try:
                if not self._broken and self._log.exists():
                    self.checkpoint()
            finally:
                self._connections.close()
                # DuckDB complains of objects that a thread still holds when the process ends.
                self._connections.writer = None
                del self._applier
                if ours:
                    self._log.closed()
                if self._outputs is not None:
                    self._outputs.close()
                if self._path is not None and (ours or not self._path.exists()):
                    remove_leftovers(self._path)

    def abandon(self) -> None:
        """Forget the file in a forked child: no checkpoint, no close, nothing is ever destroyed (trap T4)."""
        self._closed = True
        self._connections.abandon()
