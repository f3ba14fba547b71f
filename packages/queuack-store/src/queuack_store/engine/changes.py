"""What a cycle decided, as data: the record that is journalled, applied to DuckDB and, after a crash,
replayed. Only facts, no requests: applying a record twice gives the same rows as applying it once.
"""

from __future__ import annotations

import msgspec

from queuack_store.jobs import NewJob, NewRun, SessionInfo


class JobState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The changing part of a job's row, whole: the last one of a job wins."""

    seq: int
    status: str
    priority: int
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


class NewRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A new row of `jobs`, with its state at the end of the cycle that made it."""

    spec: NewJob
    created_at: float
    state: JobState


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A new row of `job_attempts`: one claim that ended.

    outcome: done, failed, returned, cancelled, skipped, died (its worker went away), lost (silent).
    """

    job_id: bytes
    claim: int
    attempt: int
    worker: str | None
    claimed_at: float | None
    started_at: float | None
    ended_at: float
    outcome: str
    error: str | None = None
    traceback: str | None = None
    duration_s: float | None = None
    peak_rss: int | None = None
    cpu_s: float | None = None


class Explanation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was learned later of an attempt that ended with its worker: it replaces the attempt's text."""

    job_id: bytes
    claim: int
    error: str
    peak_rss: int | None = None


class MemoRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A new row of `job_memos`: what a job's result may be found by; `origin` is the job that computed it."""

    job_id: bytes
    key: bytes
    made_at: float
    origin: bytes


class RunState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The changing part of a row of `dag_runs`."""

    id: bytes
    status: str
    completed_at: float | None


class RunRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A new row of `dag_runs`."""

    spec: NewRun
    created_at: float
    total: int


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A kept answer: `body` is the encoded reply to request `seq`; answers below `low` may go."""

    session: bytes
    seq: int
    low: int
    body: bytes


class ProgressRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far an attempt is: a row of `job_progress`, which replaces the claim's earlier one."""

    job_id: bytes
    claim: int
    attempt: int
    updated_at: float
    done: float
    total: float | None
    message: str | None


class LogRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A new row of `job_logs`."""

    job_id: bytes
    claim: int
    attempt: int
    line: int
    logged_at: float
    level: str
    message: str


class Record(msgspec.Struct, array_like=True, omit_defaults=True):
    """One cycle. `next_seq` and `next_claim` are the counters after it."""

    cycle: int
    at: float
    next_seq: int
    next_claim: int
    new: list[NewRow] = []
    states: list[JobState] = []
    results: list[tuple[bytes, bytes]] = []  # (job id, result); a later one of a job replaces the earlier
    attempts: list[Attempt] = []
    new_runs: list[RunRow] = []
    runs: list[RunState] = []
    purged: list[bytes] = []  # job ids, deleted with attempts, results and edges
    paused: list[tuple[str, bool]] = []  # queue, paused
    opened: list[SessionInfo] = []
    closed: list[tuple[bytes, float]] = []  # session, when
    answers: list[Answer] = []
    explained: list[Explanation] = []
    tallies: list[tuple[str, str, bytes]] = []  # queue, task, all counts after this cycle
    progressed: list[ProgressRow] = []
    logged: list[LogRow] = []
    retained: list[tuple[str, float | None]] = []  # status, seconds: the whole rule, where it changed
    memos: list[MemoRow] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the record's bytes, as the journal holds them."""
    return _encoder.encode(record)


def decode(body: bytes) -> Record:
    """Return the record that `encode` made."""
    return _decoder.decode(body)
