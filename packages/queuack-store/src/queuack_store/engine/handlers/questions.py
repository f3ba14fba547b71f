"""Questions: they change nothing, and see everything that was acknowledged before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from queuack_store import ids
from queuack_store.engine.entries import Job, Session
from queuack_store.engine.handlers.endings import result_of
from queuack_store.engine.reads import ReadBackup, ReadExport, ReadQuery, ReadResults, ReadSql
from queuack_store.engine.state import ready_key
from queuack_store.errors import InvalidRequestError, UnknownJobError
from queuack_store.jobs import JobResult
from queuack_store.requests import (
    MAX_PAGE_BYTES,
    Attempts,
    Backup,
    DeadLetters,
    Export,
    GetJob,
    GetParents,
    GetResults,
    Run,
    RunChildren,
    RunJobs,
    RunResults,
    Sql,
    Stats,
    Wait,
    WaitRun,
    Why,
)
from queuack_store.states import CLAIMED, DELAYED, ENDED, PENDING, WAITING, JobStatus

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask


def stats(core: Core, ask: Ask) -> dict[str, int]:
    """Answer `Stats` from the counters."""
    request: Stats = ask.request
    queues = core.state.queues
    if request.queue is None:
        chosen = list(queues.values())
    else:
        chosen = [queues[request.queue]] if request.queue in queues else []
    return {str(s.value): sum(q.counts.get(s.value, 0) for q in chosen) for s in JobStatus}


def list_queues(core: Core, _: Ask) -> list[tuple[str, bool, dict[str, int]]]:
    """Answer `Queues`."""
    return [
        (q.name, q.paused, {s: n for s, n in q.counts.items() if n})
        for q in sorted(core.state.queues.values(), key=lambda q: q.name)
    ]


def retention(core: Core, _: Ask) -> dict[str, float]:
    """Answer `Retention`."""
    return dict(core.state.retained)


def get_job(core: Core, ask: Ask) -> Any:
    """Answer `GetJob`."""
    request: GetJob = ask.request
    found = core.lookup.jobs([request.id], strict=False)
    return found[0].view() if found else None


def wait(core: Core, ask: Ask) -> Any:
    """Answer `Wait`, when the job has ended."""
    request: Wait = ask.request
    (job,) = core.lookup.jobs([request.id])
    if job.status not in ENDED:
        core.waiters.setdefault(job.id, []).append(ask)
        return core.PARKED
    return results(core, ask, [job], lambda found: found[0])


def get_results(core: Core, ask: Ask) -> Any:
    """Answer `GetResults`."""
    request: GetResults = ask.request
    return results(core, ask, core.lookup.jobs(request.ids), lambda found: found)


def get_parents(core: Core, ask: Ask) -> Any:
    """Answer `GetParents`."""
    request: GetParents = ask.request
    (job,) = core.lookup.jobs([request.id])
    parents = core.lookup.jobs(list(dict.fromkeys(job.parents())), strict=False)
    return results(core, ask, parents, lambda found: found)


def results(core: Core, ask: Ask, jobs: list[Job], shape: Callable[[list[JobResult]], Any]) -> Any:
    """Reply with the jobs' results, from memory where it knows them, else from disk."""
    unread = [job.id for job in jobs if job.status in ENDED and not job.result_known]
    known = [result_of(job) for job in jobs]
    if not unread:
        return shape(known)

    def go_on(rows: list[tuple[bytes, bytes | None, str | None, str | None]]) -> None:
        by_id = {row[0]: row for row in rows}
        full = []
        for found in known:
            row = by_id.get(found.id)
            if row is not None:
                found = JobResult(
                    found.id, found.status, row[1], found.error, row[3], found.skip_reason, found.node_name
                )
            full.append(found)
        core.reply(ask, shape(full))

    core.lookup.read(ReadResults(unread), go_on, ask)
    return core.PARKED


def _query(core: Core, ask: Ask, name: str, shape: Callable[[list[Any]], Any], **params: Any) -> Any:
    read = ReadQuery(name, params, core.draft.cycle - 1)
    core.lookup.read(read, lambda rows: core.reply(ask, shape(rows)), ask, pin=False)
    return core.PARKED


def dead_letters(core: Core, ask: Ask) -> Any:
    """Answer `DeadLetters`."""
    request: DeadLetters = ask.request
    return _query(core, ask, "dead_letters", list, limit=request.limit, queue=request.queue)


def attempts(core: Core, ask: Ask) -> Any:
    """Answer `Attempts`."""
    request: Attempts = ask.request
    return _query(core, ask, "attempts", list, id=request.id)


def run(core: Core, ask: Ask) -> Any:
    """Answer `Run`: the row as it is stored."""
    request: Run = ask.request
    if request.id is not None:
        return _query(core, ask, "run", _first, id=request.id)
    return _query(core, ask, "run_by_key", _first, key=request.key)


def _first(rows: list[Any]) -> Any:
    return rows[0] if rows else None


def run_jobs(core: Core, ask: Ask) -> Any:
    """Answer `RunJobs`."""
    request: RunJobs = ask.request
    return _query(core, ask, "run_jobs", list, id=request.id)


def run_results(core: Core, ask: Ask) -> Any:
    """Answer `RunResults`."""
    request: RunResults = ask.request
    page = {"id": request.id, "after": request.after, "limit": max(1, request.limit)}
    return _query(core, ask, "run_results", list, **page, bytes=MAX_PAGE_BYTES)


def run_children(core: Core, ask: Ask) -> Any:
    """Answer `RunChildren`."""
    request: RunChildren = ask.request
    return _query(core, ask, "run_children", list, id=request.id)


def wait_run(core: Core, ask: Ask) -> Any:
    """Answer `WaitRun`, when every job of the run has ended."""
    request: WaitRun = ask.request
    live = core.state.runs.get(request.id)
    if live is not None and not live.ended:
        core.run_waiters.setdefault(request.id, []).append(ask)
        return core.PARKED
    if live is not None:
        return live.status

    def shape(rows: list[Any]) -> Any:
        if not rows:
            text = ids.to_text(request.id)
            return UnknownJobError(f"there is no run {text}: it never existed or was purged", id=text)
        return rows[0]["status"]

    def go_on(rows: list[Any]) -> None:
        if request.id in core.state.runs:  # it was submitted, or revived, while the row was read
            core.run(ask, lambda: wait_run(core, ask))
        else:
            core.reply(ask, shape(rows))

    core.lookup.read(ReadQuery("run", {"id": request.id}, core.draft.cycle - 1), go_on, ask)
    return core.PARKED


def sql(core: Core, ask: Ask) -> Any:
    """Answer `Sql`."""
    request: Sql = ask.request
    read = ReadSql(request.query, request.params, request.timeout_s, request.as_file, core.draft.cycle - 1)
    core.lookup.read(read, lambda table: core.reply(ask, table), ask, pin=False)
    return core.PARKED


def backup(core: Core, ask: Ask) -> Any:
    """Answer `Backup`."""
    request: Backup = ask.request
    read = ReadBackup(_file_name(request.name), core.draft.cycle - 1)
    core.lookup.read(read, lambda copied: core.reply(ask, copied), ask, pin=False)
    return core.PARKED


def export(core: Core, ask: Ask) -> Any:
    """Answer `Export`."""
    request: Export = ask.request
    read = ReadExport(_file_name(request.name), request.since, request.until, core.draft.cycle - 1)
    core.lookup.read(read, lambda copied: core.reply(ask, copied), ask, pin=False)
    return core.PARKED


def _file_name(name: str) -> str:
    if len(name) != 32 or set(name) - set("0123456789abcdef"):
        raise InvalidRequestError(f"{name!r:.100} is no name of a copy: give 32 hex digits")
    return name


def why(core: Core, ask: Ask) -> dict[str, Any]:
    """Answer `Why`: the reason as data, and a sentence in `text`."""
    request: Why = ask.request
    (job,) = core.lookup.jobs([request.id])
    queue = job.queue
    facts: dict[str, Any] = {"id": ids.to_text(job.id), "status": job.status, "queue": queue.name}
    if job.status in ENDED:
        facts |= {"reason": "ended", "error": job.error, "skip_reason": job.skip_reason}
        facts["text"] = f"it has ended: {job.status}" + (
            f" ({job.skip_reason or job.error})" if job.error or job.skip_reason else ""
        )
    elif job.status is CLAIMED:
        facts |= {"reason": "claimed", "worker": job.claimed_by, "started_at": job.started_at}
        facts["text"] = f"worker {job.claimed_by} has it" + ("" if job.started_at else ", not started yet")
    elif job.status is DELAYED:
        facts |= {"reason": "delayed", "until": job.execute_after}
        facts["in_seconds"] = max(0.0, (job.execute_after or 0) - core.now)
        facts["text"] = f"it is delayed for another {facts['in_seconds']:.1f} s" + (
            f" after: {job.error}" if job.error else ""
        )
    elif job.status is WAITING:
        parents = core.lookup.jobs(job.parents(), strict=False)
        open_ones = [p for p in parents if p.status not in ENDED]
        facts["reason"] = "waiting"
        facts["parents"] = [
            {"id": ids.to_text(p.id), "name": p.spec.node_name, "status": p.status} for p in open_ones
        ]
        names = ", ".join(p.spec.node_name or ids.to_text(p.id) for p in open_ones[:5])
        facts["text"] = f"it waits for {len(open_ones)} parent(s): {names}"
    else:
        _why_pending(core, job, facts)
    return facts


def _why_pending(core: Core, job: Job, facts: dict[str, Any]) -> None:
    queue = job.queue
    facts["paused"] = queue.paused
    if queue.paused:
        facts |= {"reason": "paused", "text": f"queue {queue.name!r} is paused: resume it"}
        return
    key = ready_key(job)
    ahead = sum(1 for j in set(queue.window.entries()) if j.status is PENDING and ready_key(j) < key)
    exact = queue.window.covers(key)
    listeners = core.listeners(queue.name)
    facts |= {"ahead": ahead, "ahead_is_exact": exact, "workers": sorted(map(_name, listeners))}
    held_back = [s for s in listeners if s.held_back]
    if held_back:
        facts["held_back"] = [
            {"worker": s.worker or _name(s), "pid": s.info.pid, "reason": s.held_back} for s in held_back
        ]
    if not listeners:
        facts |= {"reason": "no_worker", "text": f"no worker listens to queue {queue.name!r}: start one"}
    elif len(held_back) == len(listeners):
        checks = "; ".join(sorted({s.held_back for s in held_back}))
        facts["reason"] = "resource_check"
        facts["text"] = (
            f"all {len(held_back)} worker process(es) of queue {queue.name!r} claim nothing, the machine is "
            f"past their limits: {checks}"
        )
    else:
        more = "" if exact else "at least "
        facts |= {"reason": "queued", "text": f"{more}{ahead} job(s) of queue {queue.name!r} come before it"}


def _name(session: Session) -> str:
    return session.info.name or str(session.info.pid)
