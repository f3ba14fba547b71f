"""What became of claims: done, failed and retried or not, handed back, cancelled; and sessions that died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store import errors, ids
from queuack_store.engine.entries import Job, Session
from queuack_store.engine.handlers.claiming import hand_back
from queuack_store.engine.handlers.endings import (
    MAX_ERROR_CHARS,
    begin,
    end,
    need_children,
    record_attempt,
    unclaim,
)
from queuack_store.engine.handlers.growing import Parents, grow, prepare
from queuack_store.engine.tallies import RETRIED
from queuack_store.jobs import Outcome
from queuack_store.requests import MAX_PAYLOAD_BYTES, Finish
from queuack_store.retry import retry_delay_s
from queuack_store.states import CLAIMED

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask


def finish(core: Core, ask: Ask) -> list[Any]:
    """Answer `Finish`."""
    request: Finish = ask.request
    jobs = core.state.jobs
    session = core.state.sessions[ask.session]
    unknown = [o.id for o in request.outcomes if o.id not in jobs and not core.lookup.is_absent(o.id)]
    if unknown:
        core.lookup.jobs(unknown)
    ending = [jobs[o.id] for o in request.outcomes if o.id in jobs and jobs[o.id].children]
    if ending:
        deep = any(_may_skip(o) for o in request.outcomes) or any(job.skip_reason for job in ending)
        need_children(core, ending, deep)
    parents = prepare(core, request.outcomes)
    for job_id, number in request.started:
        job = jobs.get(job_id)
        if job is not None and job.claim == number and job.status is CLAIMED and job.started_at is None:
            core.draft.touch(job)
            begin(core, job, core.now)
    refused = []
    for index, outcome in enumerate(request.outcomes):
        job = jobs.get(outcome.id)
        if job is not None and job.claim == outcome.claim and session.claims.get(outcome.id) is job:
            settle(core, job, outcome, parents)
        else:
            refused.append((index, errors.to_wire(_refusal(outcome, job))))
    return refused


def _may_skip(outcome: Outcome) -> bool:
    """Return whether what is behind the job may be skipped: then all of it is needed."""
    closes = outcome.growth is not None and outcome.growth.closed
    return outcome.kind in ("failed", "cancelled", "skipped") or bool(closes) or _is_too_large(outcome)


def _is_too_large(outcome: Outcome) -> bool:
    return outcome.result is not None and len(outcome.result) > MAX_PAYLOAD_BYTES


def _refusal(outcome: Outcome, job: Job | None) -> errors.QueuackError:
    text = ids.to_text(outcome.id)
    if job is None:
        return errors.UnknownJobError(f"there is no job {text}: it never existed or was purged", id=text)
    return errors.ClaimLostError(
        f"the claim on job {text} is not this handle's (any more); the job is {job.status}, so this "
        f"{outcome.kind!r} changes nothing",
        id=text,
        status=job.status,
    )


def settle(core: Core, job: Job, outcome: Outcome, parents: Parents) -> None:
    """Let one current claim end, or grow, as its worker says; `parents` are those of the jobs it adds."""
    kind = outcome.kind
    if kind == "returned":
        if take_back(core, job) and outcome.delay_s:
            put_off(core, job, core.now + outcome.delay_s)
        return
    core.draft.touch(job)
    if job.started_at is None:
        begin(core, job, max(job.claimed_at or 0.0, core.now - outcome.duration_s))
    if kind == "grown":
        if outcome.growth is not None:
            grow(core, job, outcome.growth, parents)
        return
    if outcome.duration_s:
        core.expected.learn(job.spec.task, outcome.duration_s)
    too_large = _is_too_large(outcome)
    if kind == "done" and not too_large:
        if outcome.growth is not None:
            grow(core, job, outcome.growth, parents)
        _succeed(core, job, outcome)
        return
    error = _too_large(outcome) if too_large else (outcome.error or "no reason given")[:MAX_ERROR_CHARS]
    trace = None if outcome.traceback is None else outcome.traceback[-MAX_ERROR_CHARS:]
    if kind in ("cancelled", "skipped"):
        _record(core, job, kind, outcome, error, trace)
        end(core, job, "cancel" if kind == "cancelled" else "skip", job.skip_reason or error)
    else:
        _record(core, job, "failed", outcome, error, trace)
        failed(core, job, error, trace, outcome.final or too_large)


def _succeed(core: Core, job: Job, outcome: Outcome) -> None:
    _record(core, job, "done", outcome, None, None)
    job.error = job.skip_reason = None
    job.result, job.traceback = outcome.result, None
    if outcome.result is not None:
        core.draft.results.append((job.id, outcome.result))
    end(core, job, "succeed")


def _record(core: Core, job: Job, kind: str, outcome: Outcome, error: str | None, trace: str | None) -> None:
    record_attempt(
        core,
        job,
        kind,
        error=error,
        traceback=trace,
        duration_s=outcome.duration_s,
        peak_rss=outcome.peak_rss,
        cpu_s=outcome.cpu_s,
    )


def _too_large(outcome: Outcome) -> str:
    return (
        f"the result has {len(outcome.result or b''):,} bytes, the limit is {MAX_PAYLOAD_BYTES:,}: "
        "write it to a file and return the path"
    )


def failed(core: Core, job: Job, error: str, trace: str | None, final: bool) -> None:
    """Count a failed attempt: cancelled where that was asked, retried while attempts remain, else failed."""
    core.draft.touch(job)
    job.error, job.traceback = error, trace
    if job.skip_reason is not None:
        end(core, job, "cancel", job.skip_reason)
    elif final or job.attempts >= job.max_attempts:
        end(core, job, "fail")
    else:
        unclaim(core, job)
        wait = retry_delay_s(job.spec.retry, job.attempts, job.id)
        job.execute_after = core.now + wait
        core.state.tally(job)[RETRIED] += 1
        core.state.move(job, "retry_later" if wait > 0 else "retry")
        job.claimed_at = job.started_at = job.claimed_by = None
        core.state.place(job)


def put_off(core: Core, job: Job, due: float) -> None:
    """Hold a ready or delayed job back until `due`."""
    core.state.move(job, "reschedule")
    job.execute_after = due
    core.state.place(job)


def release_claims(core: Core, session: Session, why: str, outcome: str) -> None:
    """Take back all claims of a session: what had started pays an attempt, the rest goes back unspent.

    Raises:
        Missing: a job that ends by this has children on disk.
    """
    claims = list(session.claims.values())
    ending = [job for job in claims if job.started_at is not None or job.skip_reason is not None]
    need_children(core, ending, deep=True)
    for job in sorted(claims, key=lambda job: job.seq):
        core.draft.touch(job)
        if job.started_at is None:
            take_back(core, job, suspect=outcome == "died")
        else:
            record_attempt(core, job, outcome, error=why)
            core.state.leave_unexplained(job)
            job.suspect = outcome == "died"
            failed(core, job, why, None, final=False)


def give_back(core: Core, session: Session) -> None:
    """Return all claims of a session that ended in good order, unspent."""
    for job in sorted(session.claims.values(), key=lambda job: job.seq):
        take_back(core, job)


def take_back(core: Core, job: Job, suspect: bool = False) -> bool:
    """Return a claimed job unspent, or end it where it was to be cancelled; say whether it is ready again.

    Its children must be in memory where it was to be cancelled.
    """
    if job.skip_reason is None:
        hand_back(core, job, suspect)
        return True
    if job.started_at is not None:
        record_attempt(core, job, "cancelled", error=job.skip_reason)
    end(core, job, "cancel", job.skip_reason)
    return False
