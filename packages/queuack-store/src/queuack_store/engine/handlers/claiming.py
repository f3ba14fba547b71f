"""Handing out jobs: strict order by queue weight, then priority, then first in, first out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from queuack_store.engine.entries import Job, Run, Session
from queuack_store.engine.handlers.endings import EXPIRED, begin, end, need_children, record_attempt, unclaim
from queuack_store.engine.state import Missing
from queuack_store.engine.window import NOTHING, Window
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import ClaimedJob
from queuack_store.requests import MAX_CLAIM_JOBS, Claim, HoldBack

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask

MAX_REASON_CHARS = 1_000  # of why a worker claims nothing: it is kept with its session
BATCH_WORK_S = 0.020  # expected work in one hand-out beyond what starts at once


class Waiting:
    """A claim that found nothing and waits for a job until its deadline."""

    __slots__ = ("ask", "deadline")

    def __init__(self, ask: Ask, deadline: float) -> None:
        self.ask = ask
        self.deadline = deadline


def claim(core: Core, ask: Ask) -> Any:
    """Answer `Claim`, now or (parked) when a job is ready."""
    request: Claim = ask.request
    if not 1 <= request.count <= MAX_CLAIM_JOBS:
        raise InvalidRequestError(
            f"count={request.count} is outside 1–{MAX_CLAIM_JOBS:,}", count=request.count
        )
    session = core.state.sessions[ask.session]
    session.lease_s = request.claim_timeout_s
    session.worker, session.held_back = request.worker_id or session.worker, ""
    if request.wait_s > 0:
        session.queues = frozenset(name for name, _ in request.queues)
    found = [] if core.frugal else take(core, session, request)
    if not found and (request.wait_s > 0 or _incomplete(core, request)):
        core.hungry.append(Waiting(ask, core.now + request.wait_s))
        return core.PARKED
    return found


def hold_back(core: Core, ask: Ask) -> None:
    """Answer `HoldBack`: kept with the session, in memory, and gone with it."""
    request: HoldBack = ask.request
    session = core.state.sessions[ask.session]
    session.queues, session.held_back = frozenset(request.queues), request.reason[:MAX_REASON_CHARS]
    session.worker = request.worker_id or session.worker


def serve_waiting(core: Core) -> None:
    """Give jobs that became ready to the claims that wait for them, the longest waiting first."""
    still = []
    for waiting in core.hungry:
        request: Claim = waiting.ask.request
        session = core.state.sessions.get(waiting.ask.session)
        if session is None or session.closed_at is not None:
            continue
        wanted = request.run_id is not None or any(name in core.state.fed for name, _ in request.queues)
        found = take(core, session, request) if wanted else []
        if found:
            core.reply(waiting.ask, found)
        elif waiting.deadline <= core.now and not _incomplete(core, request):
            core.reply(waiting.ask, [])
        else:
            still.append(waiting)
    core.hungry[:] = still


def take(core: Core, session: Session, request: Claim) -> list[ClaimedJob]:
    """Claim what the request may have now."""
    windows = _windows(core, request)
    out: list[ClaimedJob] = []
    spent = 0.0
    while len(out) < request.count:
        window = _best(core, windows, request.ageing_s)
        if window is None:
            break
        job = window.peek()
        assert job is not None
        if job.queue.paused:
            window.pop()  # only in a run's window: its queue's own is empty while it is paused
            core.lookup.look_again([job])
            continue
        if _has_expired(core, job):
            if not _expire(core, job, window):
                break
            continue
        if not request.whole and len(out) >= request.idle:
            spent += core.expected.of(job.spec.task)
            if spent > BATCH_WORK_S:
                break
        if job.suspect and not request.whole and (out or not request.idle):
            break
        window.pop()
        out.append(_hand_out(core, session, request, job, len(out) < request.idle or job.suspect))
        if job.suspect and not request.whole:
            break
    return out


def _incomplete(core: Core, request: Claim) -> bool:
    """Return whether rows are awaited that may bring jobs: even a claim at once waits for them.

    Either all ready jobs of a queue are on disk, or the children of one that expired before them are.
    """
    for _, windows in _windows(core, request):
        for window in windows:
            first = window.peek()
            if window.frontier is not None if first is None else _has_expired(core, first):
                return True
    return False


def _has_expired(core: Core, job: Job) -> bool:
    return job.expires_at is not None and job.expires_at <= core.now


def _windows(core: Core, request: Claim) -> list[tuple[int, list[Window[Job]]]]:
    if request.run_id is not None:
        run = core.state.runs.get(request.run_id)
        return [] if run is None else [(0, [run_window(core, run)])]
    if len(request.queues) == 1:
        queue = core.state.queues.get(request.queues[0][0])
        return [] if queue is None or queue.paused else [(0, [queue.window])]
    weights: dict[int, list[Window[Job]]] = {}
    for name, weight in request.queues:
        queue = core.state.queues.get(name)
        if queue is not None and not queue.paused:
            weights.setdefault(weight, []).append(queue.window)
    return sorted(weights.items(), key=lambda item: -item[0])


def _best(
    core: Core, windows: list[tuple[int, list[Window[Job]]]], ageing_s: float | None
) -> Window[Job] | None:
    """Return the window whose first job is next: by weight, then key; with ageing, the overdue first."""
    if ageing_s is not None and len(windows) > 1:
        firsts = [(w.peek(), w) for _, group in windows for w in group]
        overdue = [
            (job.execute_after or job.created_at, job.seq, window)
            for job, window in firsts
            if job is not None and core.now - (job.execute_after or job.created_at) > ageing_s
        ]
        if overdue:
            return min(overdue, key=lambda item: item[:2])[2]
    for _, group in windows:
        if len(group) == 1:
            if group[0].peek() is not None:
                return group[0]
            continue
        keys = [(key, index) for index, window in enumerate(group) if (key := window.best()) is not None]
        if keys:
            return group[min(keys)[1]]
    return None


def run_window(core: Core, run: Run) -> Window[Job]:
    """Return the window over one run's ready jobs; made, and then filled from disk, where it has none."""
    if run.window is None:
        run.window = core.state.new_window(run)
        run.window.frontier = NOTHING
    return run.window


def _hand_out(core: Core, session: Session, request: Claim, job: Job, start: bool) -> ClaimedJob:
    state = core.state
    state.move(job, "claim")
    job.claim = state.next_claim
    state.next_claim += 1
    job.session = session.info.id
    job.claimed_by = request.worker_id or session.info.name
    job.claimed_at = core.now
    job.started_at = None
    session.claims[job.id] = job
    if start:
        begin(core, job, core.now)
    spec = job.spec
    return ClaimedJob(
        job.id,
        job.claim,
        spec.task,
        spec.payload,
        job.queue.name,
        job.attempts if start else job.attempts + 1,
        job.max_attempts,
        spec.timeout_s,
        spec.run_id,
        spec.node_name,
        spec.mode,
        bool(spec.parents),
        start,
    )


def _expire(core: Core, job: Job, window: Window[Job]) -> bool:
    """Skip a job that expired before it could start; False where its children must be read first."""
    try:
        need_children(core, [job], deep=True)
    except Missing as missing:
        core.lookup.fetch(missing, go_on=lambda: core.want_refill(job.queue))  # then it is tried again
        return False
    window.pop()
    end(core, job, "skip", EXPIRED)
    return True


def hand_back(core: Core, job: Job, suspect: bool = False) -> None:
    """Return a claimed job to its place, unspent: an attempt that had started is given back."""
    core.draft.touch(job)
    unclaim(core, job)
    if job.started_at is not None:
        record_attempt(core, job, "returned")
        job.attempts -= 1
    core.state.move(job, "hand_back")
    job.claimed_at = job.started_at = job.claimed_by = None
    job.suspect = suspect
    core.state.place(job)
