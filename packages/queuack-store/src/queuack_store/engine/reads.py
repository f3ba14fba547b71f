"""What the engine asks of the rows that are not in memory, and what it is given back.

The core emits these as data; the DuckDB room runs them on cursors of its own, beside the engine. Each
answer says as of which applied cycle it was read: what changed since then, memory knows better.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from queuack_store.engine.changes import Record
from queuack_store.jobs import NewRun, SessionInfo, StoredJob
from queuack_store.requests import Copied


class ReadJobs(msgspec.Struct, frozen=True):
    """Rows by id (as `StoredJob`, payload included); ids that don't exist are left out."""

    ids: list[bytes]


class ReadReady(msgspec.Struct, frozen=True):
    """The next `limit` pending rows of a queue (or run) after a key, by priority (high first), then seq.

    No more than up to the row whose payload makes it `max_bytes`.
    """

    queue: str | None
    run_id: bytes | None
    after: tuple[int, int] | None  # (-priority, seq), exclusive
    limit: int
    max_bytes: int | None = None


class ReadDelayed(msgspec.Struct, frozen=True):
    """The next `limit` delayed rows after (execute_after, seq), exclusive, soonest first.

    No more than up to the row whose payload makes it `max_bytes`.
    """

    after: tuple[float, int] | None
    limit: int
    max_bytes: int | None = None


class ReadResults(msgspec.Struct, frozen=True):
    """Results by job id: a list of (id, result, error, traceback of the last attempt)."""

    ids: list[bytes]


class ReadQuery(msgspec.Struct, frozen=True):
    """A named query of duckdb/queries, run once everything up to `after_cycle` is applied.

    The reply is a list of rows (tuples) in the query's own column order.
    """

    name: str
    params: dict[str, Any]
    after_cycle: int


class ReadSql(msgspec.Struct, frozen=True):
    """A user's SELECT, checked and run read-only once everything up to `after_cycle` is applied."""

    query: str
    params: Any
    timeout_s: float
    as_file: bool
    after_cycle: int


class ReadBackup(msgspec.Struct, frozen=True):
    """A copy of the whole database, made in the private folder once all up to `after_cycle` is applied."""

    name: str
    after_cycle: int


class ReadExport(msgspec.Struct, frozen=True):
    """The history of [since, until) as Parquet files in the private folder, by day."""

    name: str
    since: float | None
    until: float | None
    after_cycle: int


Read = ReadJobs | ReadReady | ReadDelayed | ReadResults | ReadQuery | ReadSql | ReadBackup | ReadExport


class StoredRun(msgspec.Struct, frozen=True):
    """One row of `dag_runs` with its own jobs (not its sub-runs') counted by status."""

    spec: NewRun
    created_at: float
    counts: dict[str, int]
    status: str = "running"


class Snapshot(msgspec.Struct, frozen=True):
    """What the engine needs to know of a file when it opens it."""

    cycle: int
    next_seq: int
    next_claim: int
    counts: list[tuple[str, str, int]]  # queue, status, jobs
    paused: list[str]
    claimed: list[StoredJob]  # all of them: claims are always in memory
    sessions: list[SessionInfo]  # not closed
    answers: list[tuple[bytes, int, bytes]]  # session, seq, body
    runs: list[StoredRun]
    tallies: list[tuple[str, str, bytes]] = []
    retained: list[tuple[str, float]] = []  # status, seconds


class Backend(Protocol):
    """The rows behind the engine, seen from it. One thread applies; reads run on threads of their own."""

    database_id: bytes  # 16 random bytes, given to the file when it was made

    def snapshot(self) -> Snapshot:
        """Return the state as of the last applied cycle; called once, before anything else."""
        ...

    def apply(self, records: list[Record]) -> None:
        """Apply whole records, in order, in one transaction with the last one's cycle number.

        Records that are not newer than what was applied are passed over. Raises StorageFullError where
        the disk is full: nothing was applied, try again; the connection has been made good by then.
        """
        ...

    def read(self, read: Read) -> Any:
        """Run one read. Safe to call from several threads at once."""
        ...

    def end_reads(self) -> None:
        """Interrupt the reads that run, wait for them, and take no more."""
        ...

    def discard(self, copied: Copied) -> None:
        """Delete a copy that nobody will come for."""
        ...

    def checkpoint_due(self) -> bool:
        """Return whether DuckDB's log has grown enough for a checkpoint."""
        ...

    def checkpoint(self) -> bool:
        """Checkpoint; False where it must be tried again later."""
        ...

    def close(self) -> None:
        """Checkpoint where that is safe, then close the file."""
        ...

    def abandon(self) -> None:
        """Forget the file, in a forked child: it is the parent's."""
        ...
