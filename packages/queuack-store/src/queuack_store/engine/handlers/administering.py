"""What an operator asks for: purge, retain, retry, cancel, pause, reschedule."""

from __future__ import annotations

from functools import partial
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.engine.entries import CANCELLING, Job, Queue
from queuack_store.engine.handlers.endings import end, need_children, weigh_parents
from queuack_store.engine.handlers.finishing import put_off
from queuack_store.engine.handlers.sessions import tell_cancelled
from queuack_store.engine.reads import ReadQuery
from queuack_store.engine.state import lineage
from queuack_store.errors import InvalidRequestError
from queuack_store.requests import MAX_BATCH_JOBS, Cancel, Pause, Purge, Reschedule, Retain, Retry
from queuack_store.states import CANCELLED, CLAIMED, DELAYED, ENDED, FAILED, LIVE, PENDING, SKIPPED, WAITING

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask

PURGE_CHUNK = 20_000  # jobs per record: a purge of millions never holds up a cycle for long


def purge(core: Core, ask: Ask, so_far: int = 0) -> Any:
    """Answer `Purge`, a chunk per cycle."""
    request: Purge = ask.request
    if request.status not in ENDED:
        raise InvalidRequestError(
            f"jobs that are {request.status!r} can't be purged: give one of {', '.join(sorted(ENDED))}"
        )
    before = core.now - request.older_than_s
    params = {"queue": request.queue, "status": request.status, "before": before, "limit": PURGE_CHUNK}
    read = ReadQuery("purge_candidates", params, core.draft.cycle - 1)

    def go_on(rows: list[tuple[bytes, str]]) -> None:
        count = so_far + purge_rows(core, request.status, rows)
        if len(rows) < PURGE_CHUNK:
            core.reply(ask, count)
        else:
            purge(core, ask, count)

    core.lookup.read(read, go_on, ask)
    return core.PARKED


def purge_rows(core: Core, status: str, rows: list[tuple[bytes, str]]) -> int:
    """Delete those of the candidates that still stand in `status` with no child alive; return how many."""
    state, count = core.state, 0
    for job_id, queue_name in rows:
        if job_id in state.purged:
            continue  # another purge was faster
        job = state.jobs.get(job_id)
        if job is not None:
            if job.status != status:
                continue
            children = [state.jobs.get(child) for child in job.children or ()]
            if any(child is not None and child.status in LIVE for child in children):
                continue
            del state.jobs[job_id]
            core.draft.on_rollback(partial(state.jobs.__setitem__, job_id, job))
        counts = state.queue(queue_name).counts
        counts[status] -= 1
        core.draft.on_rollback(partial(_add, counts, status))
        core.draft.purged.append(job_id)
        state.purged[job_id] = core.draft.cycle
        core.draft.on_rollback(partial(state.purged.pop, job_id, None))
        count += 1
    return count


def _add(counts: dict[str, int], status: str) -> None:
    counts[status] += 1


def retain(core: Core, ask: Ask) -> None:
    """Answer `Retain`."""
    request: Retain = ask.request
    for status, age in request.ages.items():
        if status not in ENDED or not age > 0:
            raise InvalidRequestError(
                f"jobs that are {status!r} can't be purged after {age!r} s: give a status of "
                f"{', '.join(sorted(ENDED))}, and more than 0 seconds"
            )
    state, before = core.state, core.state.retained
    if request.ages == before:
        return
    state.retained = dict(request.ages)
    core.draft.retained = [(status, request.ages.get(status)) for status in sorted(ENDED)]
    core.draft.on_rollback(lambda: setattr(state, "retained", before))


def retry(core: Core, ask: Ask) -> Any:
    """Answer `Retry`."""
    request: Retry = ask.request
    if request.ids is not None:
        jobs = core.lookup.jobs(request.ids)
        for job in jobs:
            if job.status not in (FAILED, CANCELLED, SKIPPED):
                raise InvalidRequestError(
                    f"job {ids.to_text(job.id)} is {job.status}: only a failed, cancelled or skipped job "
                    "can be retried",
                    id=ids.to_text(job.id),
                )
        return revive(core, jobs)

    def failed_came(rows: list[Any]) -> None:
        wanted = list(rows)

        def step() -> int:
            return revive(
                core, [job for job in core.lookup.jobs(wanted, strict=False) if job.status is FAILED]
            )

        core.run(ask, step)

    params = {"queue": request.queue, "limit": MAX_BATCH_JOBS}
    core.lookup.read(ReadQuery("failed_ids", params, core.draft.cycle - 1), failed_came, ask)
    return core.PARKED


def revive(core: Core, jobs: list[Job]) -> int:
    """Give ended jobs a fresh set of attempts, and the descendants that were skipped because of them.

    Raises:
        Missing: jobs or runs that must be read first; nothing was changed.
    """
    family = _family(core, jobs)
    core.lookup.jobs([parent for job in family.values() for parent in job.parents()], strict=False)
    core.lookup.runs(job.spec.run_id for job in family.values() if job.spec.run_id)
    asked = {job.id for job in jobs}
    count = 0
    for job in _parents_first(family):
        parents = [core.state.jobs[p] for p in job.parents() if p in core.state.jobs]
        unfinished, reason = weigh_parents(parents, job.spec.mode)
        if reason is not None or not job.max_attempts:
            continue  # another parent still stands in its way, or a branch decided against it for good
        _revive_one(core, job, unfinished)
        count += job.id in asked
    return count


def _family(core: Core, jobs: list[Job]) -> dict[bytes, Job]:
    """Return the jobs and all their descendants that were skipped."""
    family: dict[bytes, Job] = {}
    stack = list(jobs)
    while stack:
        job = stack.pop()
        if job.id in family:
            continue
        family[job.id] = job
        children = core.lookup.jobs(job.children or (), strict=False)
        stack.extend(child for child in children if child.status is SKIPPED)
    return family


def _parents_first(family: dict[bytes, Job]) -> list[Job]:
    """Return the jobs with those that are parents of others before these, else in order of submission."""
    children = {
        job.id: [c for c in dict.fromkeys(job.children or ()) if c in family] for job in family.values()
    }
    waits = dict.fromkeys(family, 0)
    for found in children.values():
        for child in found:
            waits[child] += 1
    ready = [(job.seq, job.id) for job in family.values() if not waits[job.id]]
    heapify(ready)
    order = []
    while ready:
        job_id = heappop(ready)[1]
        order.append(family[job_id])
        for child in children[job_id]:
            waits[child] -= 1
            if not waits[child]:
                heappush(ready, (family[child].seq, child))
    return order


def _revive_one(core: Core, job: Job, unfinished: int) -> None:
    core.draft.touch(job)
    if job.spec.run_id is not None:
        job.run = core.state.runs.get(job.spec.run_id)  # the one it knows may have ended and been forgotten
    for child_id in job.children or ():
        child = core.state.jobs.get(child_id)
        if child is not None and child.status is WAITING:
            core.draft.touch(child)
            child.waiting_on += 1  # it had counted this parent as ended
    for run in lineage(job.run):
        if run.status in (CANCELLING, CANCELLED):
            core.draft.touch_run(run)
            run.status = "running"
    job.waiting_on = unfinished
    core.state.move(job, "revive_behind" if unfinished else "revive")
    job.max_attempts = job.attempts + job.spec.max_attempts
    job.completed_at = job.skip_reason = job.claimed_at = job.started_at = None
    job.execute_after = core.now
    job.error = None
    core.state.place(job)


def cancel(core: Core, ask: Ask) -> bool:
    """Answer `Cancel`."""
    request: Cancel = ask.request
    (job,) = core.lookup.jobs([request.id])
    return cancel_job(core, job, request.reason)


def cancel_job(core: Core, job: Job, reason: str) -> bool:
    """Cancel a job at once, or through its worker where it is claimed; False where it had ended."""
    if job.status in ENDED:
        return False
    if job.status is CLAIMED:
        core.draft.touch(job)
        job.skip_reason = reason  # the mark of a cancellation that its worker has to carry out
        tell_cancelled(core, job.id, job.session)
        return True
    need_children(core, [job], deep=True)
    end(core, job, "cancel", reason)
    return True


def pause(core: Core, ask: Ask) -> None:
    """Answer `Pause`: a paused queue keeps nothing in memory."""
    request: Pause = ask.request
    queue = core.state.queue(request.queue)
    if queue.paused == request.paused:
        return
    _set_paused(core, queue, request.paused)
    core.draft.paused.append((queue.name, request.paused))
    core.draft.on_rollback(lambda: _set_paused(core, queue, not request.paused))


def _set_paused(core: Core, queue: Queue, paused: bool) -> None:
    queue.paused = paused
    queue.window.drop()
    if not paused:
        for run in core.state.runs.values():
            if run.window is not None:  # its jobs of this queue were passed over meanwhile
                run.window.drop()
    ready = [job for job in core.state.jobs.values() if job.status is PENDING]
    core.state.forget_clean(ready, core.lookup.floor())
    core.want_refill(queue)


def reschedule(core: Core, ask: Ask) -> None:
    """Answer `Reschedule`."""
    request: Reschedule = ask.request
    (job,) = core.lookup.jobs([request.id])
    if job.status is CLAIMED or job.status in ENDED:
        raise InvalidRequestError(
            f"job {ids.to_text(job.id)} is {job.status}: only a job that has not started can be changed",
            id=ids.to_text(job.id),
            status=job.status,
        )
    if request.priority is not None and not 0 <= request.priority <= 100:
        raise InvalidRequestError(f"priority {request.priority} is outside 0–100")
    if request.delay_s is not None and job.status not in (PENDING, DELAYED):
        raise InvalidRequestError(
            f"job {ids.to_text(job.id)} waits for its parents: it can't be put off before they have ended"
        )
    if request.priority is not None:
        core.draft.touch(job)
        job.priority = request.priority
        if job.status is PENDING:
            core.state.place(job)
    if request.delay_s is not None and (request.delay_s > 0 or job.status is DELAYED):
        put_off(core, job, core.now + max(0.0, request.delay_s))
