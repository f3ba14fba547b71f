"""What is asked, stored and claimed: plain frozen types, no I/O.

Ids are 16 bytes (see ids.py), times are seconds since the epoch in UTC, durations are seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from queuack_store.retry import DEFAULT_RETRY, RetryPolicy

DEFAULT_PRIORITY = 50
DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_TIMEOUT_S = 300.0


class NewJob(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A job as its sender describes it. The engine never looks into `payload`.

    On the wire and in the journal it is a map without what is at its default: an array would bring every
    default along, and the owner would hold nine objects more for each job.

    feeds: jobs that exist and wait, and are to wait for this one, too; only in a `Growth`.
    """

    id: bytes
    task: str  # "module:qualname", for people and statistics
    payload: bytes
    queue: str = "default"
    priority: int = DEFAULT_PRIORITY
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    timeout_s: float | None = DEFAULT_TIMEOUT_S
    delay_s: float = 0.0
    parents: tuple[bytes, ...] = ()
    mode: str = "all"
    node_name: str | None = None
    run_id: bytes | None = None
    retry: RetryPolicy = DEFAULT_RETRY
    expires_s: float | None = None
    tags: tuple[str, ...] = ()
    feeds: tuple[bytes, ...] = ()


class NewRun(msgspec.Struct, frozen=True, array_like=True):
    """A run of a DAG, submitted with its jobs. `parent_id` is the run this one is a sub-DAG of."""

    id: bytes
    name: str
    description: str | None = None
    parent_id: bytes | None = None
    key: str | None = None
    facts: bytes = b""  # what the DAG package keeps with the run; opaque to the engine


class Thresholds(msgspec.Struct, frozen=True, array_like=True):
    """Backpressure limits of one `enqueue`: pending + delayed jobs of its queue."""

    warn: int
    block: int


class ClaimedJob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job handed to a worker, with the claim's number: the fence that every answer must carry."""

    id: bytes
    claim: int
    task: str
    payload: bytes
    queue: str
    attempt: int  # 1 for the first
    max_attempts: int
    timeout_s: float | None
    run_id: bytes | None = None
    node_name: str | None = None
    mode: str = "all"
    has_parents: bool = False
    started: bool = False  # True: the engine counts it as started from now on


class Memo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Under what a result may be used again: a key that its sender made of all that it depends on.

    made_at and origin: when, and by which job, it was computed; None where that is the job itself, now.
    """

    key: bytes
    made_at: float | None = None
    origin: bytes | None = None


class Growth(msgspec.Struct, frozen=True, array_like=True):
    """What one outcome adds to the graph around its job, in its own record, where its claim still counts.

    jobs and runs come into being; a job that feeds one that waits no more is left out, and a run that
    gets no job with it. closed: children that are not to run, now or later, and why (`reason`). memo:
    kept with the job.
    """

    jobs: list[NewJob] = []
    runs: list[NewRun] = []
    closed: list[bytes] = []
    reason: str = ""
    memo: Memo | None = None


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How one claim ended, as its worker says it.

    kind: "done" (with `result`), "failed" (with `error`; retried while attempts remain, unless
    `final`), "returned" (handed back unspent; `delay_s` holds it back that long), "cancelled" or
    "skipped" (with the reason in `error`). "grown" ends nothing: the job goes on, only what it adds to
    the graph counts. `growth` is heeded with "done" and "grown".
    """

    id: bytes
    claim: int
    kind: str = "done"
    result: bytes | None = None
    error: str | None = None
    traceback: str | None = None
    duration_s: float = 0.0
    final: bool = False
    delay_s: float | None = None
    peak_rss: int | None = None  # bytes
    cpu_s: float | None = None
    growth: Growth | None = None


class JobView(msgspec.Struct, frozen=True, array_like=True):
    """One job as it stands now, without payload and result."""

    id: bytes
    seq: int
    queue: str
    task: str
    status: str
    priority: int
    created_at: float
    execute_after: float | None
    claimed_at: float | None
    claimed_by: str | None
    started_at: float | None
    completed_at: float | None
    attempts: int
    max_attempts: int
    timeout_s: float | None
    error: str | None
    skip_reason: str | None
    node_name: str | None
    run_id: bytes | None
    mode: str
    waiting_on: int
    expires_at: float | None
    tags: tuple[str, ...]
    retry: RetryPolicy = DEFAULT_RETRY


class JobResult(msgspec.Struct, frozen=True, array_like=True):
    """How a job stands, with its result where it has one."""

    id: bytes
    status: str
    result: bytes | None = None
    error: str | None = None
    traceback: str | None = None
    skip_reason: str | None = None
    node_name: str | None = None


class SessionInfo(msgspec.Struct, frozen=True, array_like=True):
    """Who holds an open handle. `started` is the process's start time in clock ticks since boot."""

    id: bytes
    pid: int = 0
    started: int = 0
    boot_id: str = ""
    name: str = ""


class StoredJob(msgspec.Struct, array_like=True, gc=False):
    """One row of `jobs`, whole, as the DuckDB room hands it to the engine.

    spec.max_attempts is what was asked for, and what a retry by hand grants again; max_attempts the
    attempts it may spend by now.
    """

    spec: NewJob
    seq: int
    status: str
    priority: int
    created_at: float
    execute_after: float | None
    attempts: int
    claim: int
    claimed_by: str | None
    session: bytes | None
    claimed_at: float | None
    started_at: float | None
    completed_at: float | None
    waiting_on: int
    error: str | None
    skip_reason: str | None
    suspect: bool
    max_attempts: int
    expires_at: float | None
    children: list[bytes]


Row = tuple[Any, ...]
