"""Claiming by hand: jobs handed to this handle, and how they ended."""

from __future__ import annotations

import traceback
from concurrent.futures import Future
from typing import Any

from queuack_store import names
from queuack_store.around import Grown
from queuack_store.calls import Handle, raw_id
from queuack_store.clock import monotonic
from queuack_store.errors import PayloadError, QueuackError, from_wire
from queuack_store.ids import to_text
from queuack_store.jobs import ClaimedJob, JobView, Outcome
from queuack_store.payload import encode_result
from queuack_store.requests import MAX_CLAIM_JOBS, Claim, Finish, GetJob
from queuack_store.views import Job, from_claim

MAX_ERROR_CHARS = 16_000
DEFAULT_CLAIM_TIMEOUT_S = 300.0


class Claiming(Handle):
    """The part of a queue that hands jobs out and takes their results back."""

    # job id -> (claim number, session, when); a session that is not ours any more is another
    # process's: this handle was inherited by fork, the claims were not.
    _held: dict[bytes, tuple[int, bytes, float]]

    def claim(
        self,
        queue: str | None = None,
        worker_id: str | None = None,
        claim_timeout: float = DEFAULT_CLAIM_TIMEOUT_S,
    ) -> Job | None:
        """Take the next ready job of a queue, or None at once where there is none.

        The job is this handle's until `ack`, `nack` or `close`; its attempt counts from now on.
        `claim_timeout` is the longest silence, in seconds, of a claimer that is alive but hung; a dead
        one is noticed at once. `worker_id` is only a label.
        """
        jobs = self.claim_batch(1, queue, worker_id, claim_timeout)
        return jobs[0] if jobs else None

    def claim_batch(
        self,
        count: int = 10,
        queue: str | None = None,
        worker_id: str | None = None,
        claim_timeout: float = DEFAULT_CLAIM_TIMEOUT_S,
    ) -> list[Job]:
        """Take up to `count` (at most 1,000) ready jobs of a queue at once, the most urgent first."""
        count = names.whole(count, "count", 1, MAX_CLAIM_JOBS)
        request = Claim(
            queues=[(self._queue(queue), 0)],
            count=count,
            idle=count,
            worker_id=names.label(worker_id),
            claim_timeout_s=names.seconds(claim_timeout, "claim_timeout", positive=True),
            whole=True,
        )
        claimed: list[ClaimedJob] = self.store.call(request)
        now, session = monotonic(), self.store.session
        for job in claimed:
            self._held[job.id] = (job.claim, session, now)
        rows = [self.store.submit(GetJob(job.id)) for job in claimed]
        return [
            from_claim(job, _row(row), self.serialization, self.allowed_modules)
            for job, row in zip(claimed, rows, strict=True)
        ]

    def ack(
        self,
        job_id: str | Job,
        result: Any = None,
        error: str | BaseException | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Report that a claimed job is done, with its result; or, with `error`, that the attempt failed.

        A result that `Job.execute` returned for a node of a DAG may stand for more than itself (the items
        of a map): that is stored with it.

        A failed attempt is repeated with exponential backoff while attempts remain; then the job is
        `failed` and listed by `list_dead_letters`. An exception as `error` brings its traceback.

        Raises:
            ClaimLostError: this handle does not hold the claim (any more). UnknownJobError.
            PayloadError: the result can't be stored; the job has failed for good and says so.
        """
        raw = raw_id(job_id)
        growth = None
        if isinstance(result, Grown):
            result, growth = result.result, result.growth
        if error is not None:
            self._finish(raw, kind="failed", **_error_fields(error))
            return
        try:
            body = encode_result(result, self.serialization, f"job {to_text(raw)}")
        except PayloadError as refused:
            self._finish(raw, kind="failed", error=refused.message, final=True)
            raise
        self._finish(raw, kind="done", result=body, growth=growth)

    def nack(self, job_id: str | Job, requeue: bool = True) -> None:
        """Hand a claimed job back without spending its attempt; `requeue=False` is a failed attempt.

        Raises:
            ClaimLostError: this handle does not hold the claim (any more). UnknownJobError.
        """
        raw = raw_id(job_id)
        if requeue:
            self._finish(raw, kind="returned")
        else:
            self._finish(raw, kind="failed", error="handed back by nack(requeue=False)")

    def _finish(self, raw: bytes, **fields: Any) -> None:
        claim, session, since = self._held.get(raw, (0, b"", monotonic()))
        if session != self.store.session:
            claim = 0  # the engine says whether the job is unknown or another's
        outcome = Outcome(raw, claim, duration_s=monotonic() - since, **fields)
        refused = self.store.call(Finish([outcome]))
        self._held.pop(raw, None)
        if refused:
            raise _error(refused[0])


def _row(row: Future[JobView | None]) -> JobView | None:
    try:
        return row.result()
    except QueuackError:
        return None  # the claim stands: without its row the job still runs and can be acked


def _error(refused: Any) -> QueuackError:
    wire = refused[1]
    return wire if isinstance(wire, QueuackError) else from_wire(wire)


def _error_fields(error: str | BaseException) -> dict[str, Any]:
    if not isinstance(error, BaseException):
        return {"error": str(error)[:MAX_ERROR_CHARS]}
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # a __str__ of its own may do anything
        text = type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return {"error": text[:MAX_ERROR_CHARS], "traceback": trace[-MAX_ERROR_CHARS:]}
