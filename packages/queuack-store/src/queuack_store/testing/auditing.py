"""Looks into a core's memory: counters, claims, windows, what it remembers, against model and rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from queuack_store.engine.core import Core
from queuack_store.engine.state import delay_key, ready_key
from queuack_store.states import CLAIMED, DELAYED, ENDED, LIVE, PENDING
from queuack_store.testing.answers import SLACK_S, compare
from queuack_store.testing.model import Model
from queuack_store.testing.rows import RowStore


def audit(core: Core, model: Model) -> None:
    """Check what must hold after every cycle."""
    state = core.state
    names = {job.spec.queue for job in model.jobs.values()} | state.queues.keys()
    for name in names:
        counts = state.queues[name].counts if name in state.queues else {}
        assert {s: n for s, n in counts.items() if n} == model.counts(name), f"the counters of {name}"
    assert {name for name, queue in state.queues.items() if queue.paused} == model.paused
    for session_id, known in model.sessions.items():
        session = state.sessions.get(session_id)
        held = {job.id for job in model.claims(session_id)}
        assert (set() if session is None else set(session.claims)) == held, "what a session holds"
        if session is None:
            assert not known.open, "an open session was forgotten"
        else:
            assert known.open == (session.closed_at is None), f"session {session.info.pid} is open"
            assert known.orphan == session.orphan or not known.open, "an orphan"
    for job_id, job in state.jobs.items():
        assert job_id in model.jobs, "a job is in memory that does not exist"
        compare(model.jobs[job_id], job.image(), model.waiting_on(model.jobs[job_id]))
    assert state.kept_waiting == sum(job.kept for job in state.jobs.values()), "the waiting jobs kept"
    tallied: Counter[str] = Counter()
    for tally in state.tallies.shown():
        tallied.update(tally.counts)
        assert sum(tally.waits.counts) == tally.counts["started"], "every start was preceded by a wait"
    assert +tallied == +model.tally, "what has ever happened"
    _audit_windows(core, model)
    _audit_runs(core, model)


def _audit_windows(core: Core, model: Model) -> None:
    state = core.state
    windows: list[Any] = [queue.window for queue in state.queues.values()] + [state.delayed]
    windows += [run.window for run in state.runs.values() if run.window is not None]
    assert state.load.entries == sum(len(w) for w in windows), "the windows' common load"
    assert state.load.payload == sum(w.payload() for w in windows), "the windows' common payload"
    inside = {id(w): {job.id for job in w.entries()} for w in windows}
    for job in model.jobs.values():
        mine = state.jobs.get(job.id)
        if job.status == PENDING:
            queue = state.queues[job.spec.queue]
            if not queue.paused and queue.window.covers(job.key):
                assert job.id in inside[id(queue.window)], f"ready job {job.seq} is in no window"
                assert mine is not None
                assert ready_key(mine) == job.key
            for run_id in model.lineage(job.spec.run_id):
                run = state.runs.get(run_id)
                if run is None or run.window is None or queue.paused:
                    continue
                if run.window.covers(job.key):
                    assert job.id in inside[id(run.window)], f"ready job {job.seq} is not in its run's window"
        elif job.status == DELAYED and mine is not None and state.delayed.covers(delay_key(mine)):
            assert job.id in inside[id(state.delayed)], f"delayed job {job.seq} is in no window"
        elif job.status == DELAYED and mine is None:
            assert state.delayed.frontier is not None, f"delayed job {job.seq} is nowhere"


def _audit_runs(core: Core, model: Model) -> None:
    for run_id in model.runs:
        run = core.state.runs.get(run_id)
        mine = [j for j in model.jobs.values() if run_id in model.lineage(j.spec.run_id)]
        live = any(job.status not in ENDED for job in mine)
        own = any(job.status not in ENDED for job in mine if job.spec.run_id == run_id)
        assert run is not None or not own, "a run with live jobs is not in memory"
        if run is not None:
            assert not (own and run.ended), f"a run with live jobs is {run.status}"
            assert run.ended or live or not mine, f"a run without live jobs is {run.status}"


def audit_at_rest(core: Core, model: Model, rows: RowStore) -> None:
    """Check what must hold when nothing is under way: nothing is overdue, and the rows are the model."""
    audit(core, model)
    state = core.state
    for job in model.jobs.values():
        overdue = job.status == DELAYED and (job.due or 0.0) < core.now - SLACK_S
        assert not overdue, f"job {job.seq} is overdue"
        if job.expires_at is not None and job.status in LIVE - {CLAIMED}:
            assert state.expiry_due <= max(job.expires_at, core.now) + SLACK_S, (
                f"job {job.seq} will never expire"
            )
        if job.status == CLAIMED:
            session = model.sessions[job.session or b""]
            assert session.open, f"job {job.seq} is held by a session that has ended"
            assert core.now < session.heard_at + session.lease_s + SLACK_S, f"job {job.seq} is held for ever"
    for queue in state.queues.values():
        if not queue.paused and queue.window.frontier is not None:
            assert len(queue.window), f"queue {queue.name} is empty in memory and not refilled"
    for mine in state.jobs.values():
        assert state.resident(mine), f"job {mine.seq} ({mine.status}) is remembered for nothing"
    assert rows.jobs.keys() == model.jobs.keys(), "the rows are not the jobs"
    for job_id, (_, _, image) in rows.jobs.items():
        compare(model.jobs[job_id], image, model.waiting_on(model.jobs[job_id]))
    assert not state.purged, "purged jobs are remembered for nothing"
