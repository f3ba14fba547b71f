"""How a job ends, and what that does to the jobs behind it: released or skipped in the same record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.engine.changes import Attempt
from queuack_store.engine.entries import Job
from queuack_store.engine.state import Missing
from queuack_store.engine.tallies import BY_OUTCOME, RUNS, STARTED, WAITS, observe
from queuack_store.jobs import JobResult
from queuack_store.states import CLAIMED, DONE, ENDED, WAITING

if TYPE_CHECKING:
    from queuack_store.engine.core import Core

MAX_ERROR_CHARS = 16_000
EXPIRED = "expired before it could start"  # the reason of a job that is skipped for it


def need_children(core: Core, jobs: Iterable[Job], deep: bool) -> None:
    """Make sure that the children of `jobs` are in memory; with `deep`, all waiting descendants.

    Raises:
        Missing: names those that must be read first.
    """
    known = core.state.jobs
    missing: list[bytes] = []
    stack = [job for job in jobs if job.children]
    seen: set[bytes] = set()
    while stack:
        for child_id in stack.pop().children or ():
            if child_id in seen:
                continue
            seen.add(child_id)
            child = known.get(child_id)
            if child is None:
                if not core.lookup.is_absent(child_id):
                    missing.append(child_id)
            elif deep and child.status is WAITING and child.children:
                stack.append(child)
    if missing:
        raise Missing(missing)


def record_attempt(core: Core, job: Job, outcome: str, **facts: object) -> None:
    """Add a row to the job's history: one claim that ended now."""
    core.draft.attempts.append(
        Attempt(
            job.id,
            job.claim,
            job.attempts,
            job.claimed_by,
            job.claimed_at,
            job.started_at,
            core.now,
            outcome,
            **facts,  # type: ignore[arg-type]
        )
    )
    cells, place = core.state.tally(job), BY_OUTCOME.get(outcome)
    if place is not None:
        cells[place] += 1
    seconds: Any = facts.get("duration_s")
    if seconds is not None:
        observe(cells, RUNS, seconds)


def begin(core: Core, job: Job, at: float) -> None:
    """Count a start: one attempt is spent, and the job has waited until `at`."""
    job.attempts += 1
    job.started_at = at
    cells = core.state.tally(job)
    cells[STARTED] += 1
    observe(cells, WAITS, max(0.0, at - (job.execute_after or job.created_at)))


def unclaim(core: Core, job: Job) -> None:
    """Take the job out of its session's hands; call after `touch`, before the status moves on."""
    session = core.state.sessions.get(job.session) if job.session is not None else None
    if session is not None:
        session.claims.pop(job.id, None)
    job.session = None


def end(core: Core, job: Job, event: str, reason: str | None = None) -> None:
    """End a job by `event` (succeed, fail, skip, cancel) and settle its descendants."""
    stack = [(job, event, reason)]
    while stack:
        job, event, reason = stack.pop()
        if job.status in ENDED:
            continue  # two of its parents are on this way
        core.draft.touch(job)
        if job.status is CLAIMED:
            unclaim(core, job)
        core.state.move(job, event)
        job.completed_at = core.now
        job.suspect = False
        job.result_known = True
        if event in ("skip", "cancel"):
            job.skip_reason = reason
        core.wake_waiters(job)
        for child_id in job.children or ():
            child = core.state.jobs.get(child_id)
            if child is not None and child.status is WAITING:
                verdict = parent_ended(core, child, job)
                if verdict is not None:
                    stack.append((child, "skip", verdict))


def parent_ended(core: Core, child: Job, parent: Job) -> str | None:
    """Count an ended parent; release the child where its mode says so, or return why it is skipped."""
    core.draft.touch(child)
    child.waiting_on -= 1
    good, mode = parent.status is DONE, child.spec.mode
    if mode == "all" and not good:
        return _because(parent)
    if mode == "any" and good:
        release(core, child)
    elif child.waiting_on <= 0:
        if mode == "any":
            return f"no parent succeeded; the last, {_name(parent)}, {_ended(parent)}"
        release(core, child)
    return None


def release(core: Core, job: Job) -> None:
    """Make a waiting job ready, or delayed where its delay is not over."""
    if job.execute_after is not None and job.execute_after > core.now:
        core.state.move(job, "release_later")
    else:
        job.execute_after = core.now  # from here on it waits for a worker
        core.state.move(job, "release")
    core.state.place(job)


def _name(job: Job) -> str:
    return f"{job.spec.node_name!r}" if job.spec.node_name else ids.to_text(job.id)


def _ended(job: Job) -> str:
    return f"was {job.status}" if job.status in ("skipped", "cancelled") else job.status


def _because(parent: Job) -> str:
    return f"parent {_name(parent)} {_ended(parent)}"


def weigh_parents(parents: Iterable[Job], mode: str) -> tuple[int, str | None]:
    """Return how many parents are unfinished (0: ready), or why the child is to be skipped."""
    unfinished, good, bad = 0, False, None
    for parent in parents:
        if parent.status not in ENDED:
            unfinished += 1
        elif parent.status is DONE:
            good = True
        else:
            bad = parent
    if mode == "all" and bad is not None:
        return 0, _because(bad)
    if mode == "any":
        if good:
            return 0, None
        if not unfinished and bad is not None:
            return 0, f"no parent succeeded; the last, {_name(bad)}, {_ended(bad)}"
    return unfinished, None


def result_of(job: Job) -> JobResult:
    """Return how the job stands, its result too where memory has it."""
    return JobResult(
        job.id, job.status, job.result, job.error, job.traceback, job.skip_reason, job.spec.node_name
    )
