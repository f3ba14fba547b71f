"""DuckDB's rows as the store's types. The order of the fields is that of their queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from queuack_store.jobs import JobView, NewJob, NewRun, StoredJob
from queuack_store.retry import DEFAULT_RETRY, RetryPolicy

Row = tuple[Any, ...]

ATTEMPT_FIELDS = (
    "job_id", "attempt", "claim", "worker", "claimed_at", "started_at", "ended_at", "outcome", "error",
    "traceback", "duration_seconds", "peak_rss_bytes", "cpu_seconds",
)  # fmt: skip
RUN_FIELDS = (
    "id", "name", "description", "parent_id", "run_key", "facts", "created_at", "status",
    "completed_at", "total",
)  # fmt: skip


def stored_jobs(rows: Iterable[Row], payloads: dict[int, bytes]) -> dict[int, StoredJob]:
    """Build whole jobs by seq, still without parents and children."""
    made = {}
    for row in rows:
        (
            id_, task, queue, priority, fresh_attempts, max_attempts, timeout_s, seq, status, created_at,
            attempts, claim, options, dag, past,
        ) = row  # fmt: skip
        expires_at, expires_s, retry, tags = _options(options, created_at) if options else _NO_OPTIONS
        mode, node_name, run_id, waiting_on = dag or _NO_DAG
        (
            execute_after, claimed_by, session, claimed_at, started_at, completed_at, error, skip_reason,
            suspect,
        ) = past or _NO_PAST  # fmt: skip
        spec = NewJob(
            id_, task, payloads[seq], queue, priority, fresh_attempts, timeout_s, 0.0, (), mode, node_name,
            run_id, retry, expires_s, tags,
        )  # fmt: skip
        made[seq] = StoredJob(
            spec, seq, status, priority, created_at, execute_after, attempts, claim, claimed_by, session,
            claimed_at, started_at, completed_at, waiting_on, error, skip_reason, suspect,
            max_attempts, expires_at, [],
        )  # fmt: skip
    return made


_NO_OPTIONS: tuple[float | None, float | None, RetryPolicy, tuple[str, ...]] = (None, None, DEFAULT_RETRY, ())
_NO_DAG = ("all", None, None, 0)
_NO_PAST = (None, None, None, None, None, None, None, None, False)


def _options(row: Row, created_at: float) -> tuple[float | None, float | None, RetryPolicy, tuple[str, ...]]:
    delay_s, factor, jitter, cap_s, expires_at, tags = row
    retry = DEFAULT_RETRY if delay_s is None else RetryPolicy(delay_s, factor, jitter, cap_s)
    expires_s = None if expires_at is None else expires_at - created_at
    return expires_at, expires_s, retry, tuple(tags or ())


def with_parents(spec: NewJob, parents: tuple[bytes, ...]) -> NewJob:
    """Return the spec with its parents, which live in a table of their own."""
    return NewJob(
        spec.id, spec.task, spec.payload, spec.queue, spec.priority, spec.max_attempts, spec.timeout_s,
        spec.delay_s, parents, spec.mode, spec.node_name, spec.run_id, spec.retry, spec.expires_s, spec.tags,
    )  # fmt: skip


def job_views(rows: Iterable[Row]) -> list[JobView]:
    """Build views of jobs."""
    made = []
    for row in rows:
        retry = DEFAULT_RETRY if row[23] is None else RetryPolicy(*row[23:27])
        fields: list[Any] = [*row[:22], tuple(row[22] or ()), retry]
        made.append(JobView(*fields))
    return made


def run_spec(row: Row) -> NewRun:
    """Build what was asked for a run."""
    id_, name, description, parent_id, key, facts = row[:6]
    return NewRun(id_, name, description, parent_id, key, facts or b"")


def as_dict(fields: tuple[str, ...], row: Row) -> dict[str, Any]:
    """Build a dict of a row."""
    return dict(zip(fields, row, strict=True))
