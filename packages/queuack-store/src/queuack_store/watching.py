"""Asking how things stand: counts, single jobs, results, waiting, and SQL over the history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from queuack_store import names
from queuack_store.calls import Handle, Pending, answered, awaited, raw_id
from queuack_store.clock import to_datetime
from queuack_store.endings import all_ended
from queuack_store.errors import (
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    JobSkippedError,
    ResultNotReadyError,
)
from queuack_store.gathered import resolved
from queuack_store.ids import to_text
from queuack_store.jobs import JobResult, JobView
from queuack_store.payload import decode_result
from queuack_store.requests import Attempts, DeadLetters, GetJob, GetResults, Queues, Sql, Stats, Wait, Why
from queuack_store.states import CANCELLED, DONE, FAILED, SKIPPED, JobStatus
from queuack_store.tables import Rows, sql_params
from queuack_store.views import Job, from_view

MAX_LISTED = 1_000_000
DEFAULT_SQL_TIMEOUT_S = 60.0


class Watching(Handle):
    """The part of a queue that answers questions; nothing here changes a job."""

    @answered("dict[str, int]")
    def stats(self, queue: str | None = None) -> Pending[dict[str, int]]:
        """Count the jobs of a queue, or of all queues (None), by status; every status is there."""
        request = Stats(None if queue is None else names.queue_name(queue))
        return Pending(request, _counts)

    @answered("dict[str, dict[str, int]]")
    def queues(self) -> Pending[dict[str, dict[str, int]]]:
        """Count the jobs of every queue by status; `paused` is 1 where a queue is paused."""
        return Pending(Queues(), lambda rows: {n: {**_counts(c), "paused": int(p)} for n, p, c in rows})

    @answered("Job | None")
    def get_job(self, job_id: str | Job) -> Pending[Job | None]:
        """Return a job as it stands now, or None where there is none of this id."""

        def finish(view: JobView | None) -> Job | None:
            return None if view is None else from_view(view)

        return Pending(GetJob(raw_id(job_id)), finish)

    @answered("Any")
    def get_result(self, job_id: str | Job) -> Pending[Any]:
        """Return the result of a job that is done.

        Raises:
            ResultNotReadyError (a ValueError): it has not ended, or ended without success.
            UnknownJobError (also one): no such job. PayloadError: its result can't be loaded here.
        """

        def finish(results: list[JobResult]) -> Any:
            if results[0].status == DONE:
                return self._value(results[0])
            why = results[0].error or results[0].skip_reason
            raise ResultNotReadyError(
                f"job {to_text(results[0].id)} has no result: it is {results[0].status}"
                + (f" ({why})" if why else "; wait() waits for it"),
                id=to_text(results[0].id),
                status=results[0].status,
            )

        return Pending(GetResults([raw_id(job_id)]), finish)

    @answered("Any")
    def wait(self, job_id: str | Job, timeout: float | None = None) -> Pending[Any]:
        """Wait until a job has ended and return its result; woken by the engine, nothing polls.

        `timeout` is in seconds; None waits for as long as it takes.

        Raises:
            JobFailedError, JobCancelledError, JobSkippedError: it ended without success; the error's
                `traceback` is the worker's, as text. WaitTimeoutError: it goes on.
            UnknownJobError: no such job. PayloadError: its result can't be loaded here.
        """
        limit = None if timeout is None else names.seconds(timeout, "timeout")
        raw = raw_id(job_id)
        return Pending(Wait(raw), self._ended, limit, f"job {to_text(raw)} goes on: it has not ended")

    await_result = awaited(wait, "await_result")

    def wait_all(self, job_ids: Iterable[str | Job], timeout: float | None = None) -> list[Any]:
        """Wait until all these jobs have ended and return their results, in the order of `job_ids`.

        Results of the past are read together: for many jobs this is far cheaper than one `wait` after the
        other. `timeout` is in seconds, for all of them; None waits for as long as it takes.

        Raises:
            JobFailedError, JobCancelledError, JobSkippedError: of the first, in this order, that ended
                without success. WaitTimeoutError: one goes on. UnknownJobError: there is no such job.
        """
        limit = None if timeout is None else names.seconds(timeout, "timeout")
        return [self._ended(one) for one in all_ended(self.store, [raw_id(job) for job in job_ids], limit)]

    @answered("list[Job]")
    def list_dead_letters(self, limit: int = 100, queue: str | None = None) -> Pending[list[Job]]:
        """List up to `limit` failed jobs, the latest first, of one queue or of all (None)."""
        request = DeadLetters(
            names.whole(limit, "limit", 1, MAX_LISTED), None if queue is None else names.queue_name(queue)
        )
        return Pending(request, lambda views: [from_view(view) for view in views])

    @answered("list[dict[str, Any]]")
    def attempts(self, job_id: str | Job) -> Pending[list[dict[str, Any]]]:
        """List a job's attempts that have ended, oldest first, as rows of `job_attempts`.

        Times are aware datetimes in UTC, durations seconds; docs/schema.md names the columns.
        """
        return Pending(Attempts(raw_id(job_id)), lambda rows: [_public(row) for row in rows])

    @answered("dict[str, Any]")
    def why(self, job_id: str | Job) -> Pending[dict[str, Any]]:
        """Say exactly why a job is not running, as data: paused, delayed, behind others, waiting for parents.

        Raises:
            UnknownJobError: no such job.
        """
        return Pending(Why(raw_id(job_id)), _public)

    @answered("Rows")
    def sql(self, query: str, params: Any = None, timeout: float = DEFAULT_SQL_TIMEOUT_S) -> Pending[Rows]:
        """Run one SELECT over `jobs`, `job_attempts`, `job_dependencies` and `dag_runs`, read-only.

        It sees everything acknowledged before it and stalls no worker. Parameters are `?` with a list
        or `$name` with a dict. The result is iterable and has `fetchall()`, `columns`, `arrow()`,
        `df()` and `pl()`. Join it with your own data on your side: in DuckDB, `duckdb.sql("... from
        history join my_frame ...")` with `history = queue.sql("...").arrow()`. Times are naive UTC.

        Raises:
            QueryError: it is no SELECT, is wrong, or took longer than `timeout` seconds.
        """
        if not isinstance(query, str) or not query.strip():
            raise InvalidRequestError(f"sql() takes the text of one SELECT, not {query!r:.200}")
        limit = names.seconds(timeout, "timeout", positive=True)
        return Pending(Sql(query, sql_params(params), limit), Rows)

    asql = awaited(sql, "asql")

    def _value(self, result: JobResult) -> Any:
        return resolved(self._own(result), self.store, self._own)

    def _own(self, result: JobResult) -> Any:
        return decode_result(result.result, self.serialization, f"job {to_text(result.id)}")

    def _ended(self, result: JobResult) -> Any:
        if result.status == DONE:
            return self._value(result)
        job = to_text(result.id)
        what = f"job {job}" + (f" ({result.node_name})" if result.node_name else "")
        reason = result.error or result.skip_reason or "no reason given"
        kind = {CANCELLED: JobCancelledError, SKIPPED: JobSkippedError, FAILED: JobFailedError}[result.status]
        raise kind(f"{what} {_ENDINGS[result.status]}: {reason}", traceback=result.traceback or "", id=job)


_ENDINGS = {CANCELLED: "was cancelled", SKIPPED: "was skipped", FAILED: "failed"}


def _counts(found: dict[str, int]) -> dict[str, int]:
    return {**{status.value: 0 for status in JobStatus}, **found}


def _public(value: Any, key: str = "") -> Any:
    # Ids and times of the engine in their public form, however deep they lie.
    if isinstance(value, dict):
        return {name: _public(part, name) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_public(part, key) for part in value]
    if isinstance(value, bytes) and len(value) == 16:
        return to_text(value)
    if (key.endswith("_at") or key == "until") and isinstance(value, (int, float)):
        return to_datetime(float(value))
    if isinstance(value, datetime) and value.tzinfo is None:
        return to_datetime((value - datetime(1970, 1, 1)).total_seconds())
    return value
