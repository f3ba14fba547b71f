"""Storing jobs: one request is one record, all of its jobs or none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from queuack_store import ids
from queuack_store.engine.changes import RunRow
from queuack_store.engine.entries import Job, Run
from queuack_store.engine.handlers.endings import weigh_parents
from queuack_store.engine.state import Missing, total
from queuack_store.errors import BackpressureError, InvalidRequestError, UnknownJobError
from queuack_store.jobs import NewJob, NewRun, Thresholds
from queuack_store.requests import MAX_BATCH_BYTES, MAX_BATCH_JOBS, MAX_PAYLOAD_BYTES, Enqueue, Enqueued
from queuack_store.states import DELAYED, PENDING

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def enqueue(core: Core, ask: Ask) -> Enqueued:
    """Answer `Enqueue`."""
    request: Enqueue = ask.request
    for run in request.runs:
        if run.key is not None:
            known = core.lookup.run_by_key(run.key)
            if known is not None:
                return Enqueued(run_id=known)
    check(core, request.jobs)
    parents = find_parents(core, request.jobs)
    new = {run.id for run in request.runs}
    core.lookup.runs(run.parent_id for run in request.runs if run.parent_id and run.parent_id not in new)
    depth = None
    if request.limits is not None:
        depth = check_backpressure(core, request.jobs, request.limits)
    for run in request.runs:
        add_run(core, run, sum(1 for job in request.jobs if job.run_id == run.id))
    add_jobs(core, request.jobs, parents)
    return Enqueued(depth=depth)


def check(core: Core, jobs: list[NewJob]) -> None:
    """Refuse what breaks a limit, before anything is changed."""
    if len(jobs) > MAX_BATCH_JOBS:
        raise InvalidRequestError(
            f"one request holds {len(jobs):,} jobs, the limit is {MAX_BATCH_JOBS:,}: split it", jobs=len(jobs)
        )
    if len({job.id for job in jobs}) < len(jobs):
        raise InvalidRequestError("one request holds the same job id twice: nothing was enqueued")
    known, size, queue = core.state.jobs, 0, None
    for job in jobs:
        payload = len(job.payload)
        size += payload
        if payload > MAX_PAYLOAD_BYTES:
            raise InvalidRequestError(
                f"the payload of job {ids.to_text(job.id)} has {payload:,} bytes", size=payload
            )
        if job.id in known:
            raise InvalidRequestError(f"job {ids.to_text(job.id)} exists already", id=ids.to_text(job.id))
        if job.queue != queue:
            queue = job.queue
            if queue not in core.state.queues and not _QUEUE_NAME.fullmatch(queue):
                raise InvalidRequestError(
                    f"{queue!r} is no queue name: use letters, digits, '_', '.' and '-'"
                )
        if not 0 <= job.priority <= 100 or job.max_attempts < 1 or job.delay_s < 0 or len(job.id) != 16:
            raise InvalidRequestError(
                f"job {job.id.hex()} breaks a limit: {job.priority=}, {job.max_attempts=}"
            )
    if size > MAX_BATCH_BYTES:
        raise InvalidRequestError(
            f"one request holds {size:,} bytes of payload, the limit is {MAX_BATCH_BYTES:,}: split it",
            size=size,
        )


def find_parents(core: Core, jobs: list[NewJob]) -> dict[bytes, Job | None]:
    """Return the parents that exist already; None for those in the same request, which must come first."""
    found: dict[bytes, Job | None] = {}
    if not any(job.parents for job in jobs):
        return found
    known, missing, earlier = core.state.jobs, set(), set()
    for job in jobs:
        for parent in job.parents:
            if parent in earlier:
                found[parent] = None
            elif parent in known:
                found[parent] = known[parent]
            elif core.lookup.is_absent(parent):
                text = ids.to_text(parent)
                raise UnknownJobError(
                    f"job {ids.to_text(job.id)} depends on {text}, which does not exist (or was purged, or "
                    "comes later in the same request): nothing was enqueued",
                    id=text,
                )
            else:
                missing.add(parent)
        earlier.add(job.id)
    if missing:
        raise Missing(missing)
    return found


def check_backpressure(core: Core, jobs: list[NewJob], limits: Thresholds) -> int | None:
    """Refuse past the block threshold; return the depth when this request crosses the warning one."""
    queue = core.state.queue(jobs[0].queue)
    depth = total(queue.counts, (PENDING, DELAYED))
    if depth >= limits.block:
        raise BackpressureError(
            f"queue {queue.name!r} holds {depth:,} pending and delayed jobs, its limit is {limits.block:,}: "
            "start more workers, try again later, or pass check_backpressure=False",
            queue=queue.name,
            depth=depth,
            limit=limits.block,
        )
    above = depth + len(jobs) > limits.warn
    crossed = above and not queue.warned
    queue.warned = above
    return depth + len(jobs) if crossed else None


def add_run(core: Core, spec: NewRun, jobs: int) -> Run:
    """Enter a run of a DAG."""
    state = core.state
    parent = state.runs.get(spec.parent_id) if spec.parent_id else None
    run = Run(spec, core.now, parent)
    run.window = state.new_window(run)
    state.runs[spec.id] = run
    core.draft.new_runs.append(RunRow(spec, core.now, jobs))
    core.draft.on_rollback(lambda: state.forget_run(run))
    core.lookup.remember_key(run)
    return run


def add_jobs(core: Core, jobs: list[NewJob], parents: dict[bytes, Job | None]) -> None:
    """Enter jobs into the state, in order; each is ready, delayed, waiting or skipped at once."""
    state, now = core.state, core.now
    core.lookup.appeared(spec.id for spec in jobs)
    seq = state.next_seq
    for spec in jobs:
        run = None if spec.run_id is None else state.runs.get(spec.run_id)
        job = Job(spec, seq, state.queue(spec.queue), run, now)
        seq += 1
        reason = None
        if spec.parents:
            reason = _behind(core, job, parents)
        if reason is not None:
            state.add(job, "skip")
            job.skip_reason, job.completed_at = reason, now
            continue
        if spec.delay_s > 0:
            job.execute_after = now + spec.delay_s
        if job.waiting_on:
            state.add(job, "enqueue_behind")
        elif spec.delay_s > 0:
            state.add(job, "enqueue_later")
        else:
            state.add(job, "enqueue")
        state.place(job)
    state.next_seq = seq  # a cycle that is taken back leaves a gap, which hurts nobody


def _behind(core: Core, job: Job, known: dict[bytes, Job | None]) -> str | None:
    """Tie a new job to its parents; return why it is skipped at once, where it is."""
    parents = [known[p] or core.state.jobs[p] for p in dict.fromkeys(job.spec.parents)]
    job.waiting_on, reason = weigh_parents(parents, job.spec.mode)
    for parent in parents:
        core.draft.touch(parent)  # keeps the parent in memory until its new edge is on disk
        if parent.children is None:
            parent.children = []
        children = parent.children
        children.append(job.id)
        core.draft.on_rollback(children.pop)
    return reason
