"""Verdicts: what the watcher of a dead worker says of the jobs that it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuack_store.engine.changes import Explanation
from queuack_store.engine.entries import Job, Session
from queuack_store.engine.handlers.endings import MAX_ERROR_CHARS, begin, need_children, record_attempt
from queuack_store.engine.handlers.finishing import failed, take_back
from queuack_store.engine.handlers.sessions import part_with
from queuack_store.requests import Verdict
from queuack_store.states import CLAIMED

if TYPE_CHECKING:
    from queuack_store.engine.core import Core
    from queuack_store.engine.inbox import Ask


def verdict(core: Core, ask: Ask) -> None:
    """Answer `Verdict`."""
    request: Verdict = ask.request
    error = request.error[:MAX_ERROR_CHARS]
    told = [pair for pair in request.claims if pair in core.state.unexplained]
    core.lookup.jobs([job_id for job_id, _ in told], strict=False)
    doomed, spared = _standing(core, request.claims), _standing(core, request.spared)
    holders = _holders(core, ask, doomed + spared) if request.whole else []
    beside = [job for session in holders for job in session.claims.values()]
    need_children(core, doomed + [job for job in spared + beside if job.skip_reason], deep=True)
    for job_id, claim in told:
        if core.state.explain(job_id, claim):
            core.draft.explained.append(Explanation(job_id, claim, error, request.peak_rss))
            _retell(core, core.state.jobs.get(job_id), claim, error)
    for job in doomed:
        if job.status is CLAIMED:  # not named twice
            _condemn(core, job, error, request.peak_rss)
    for job in spared:
        if job.status is CLAIMED:
            take_back(core, job)
    for session in holders:
        part_with(core, session)


def _holders(core: Core, ask: Ask, jobs: list[Job]) -> list[Session]:
    """Return the sessions that hold `jobs`, but for the one that asks: it lives."""
    names = dict.fromkeys(job.session for job in jobs if job.session != ask.session)
    return [core.state.sessions[name] for name in names if name is not None]


def _standing(core: Core, pairs: list[tuple[bytes, int]]) -> list[Job]:
    """Return the jobs among `pairs` whose claim is the current one, in their order."""
    found = [(core.state.jobs.get(job_id), claim) for job_id, claim in pairs]
    return [job for job, claim in found if job is not None and job.status is CLAIMED and job.claim == claim]


def _retell(core: Core, job: Job | None, claim: int, error: str) -> None:
    """Replace what the release said of the job, where nothing has happened to it since."""
    if job is not None and job.claim == claim and job.status is not CLAIMED and job.error is not None:
        core.draft.touch(job)
        job.error = error


def _condemn(core: Core, job: Job, error: str, peak_rss: int | None) -> None:
    """End a claim that still stands: its worker is as good as dead."""
    core.draft.touch(job)
    if job.started_at is None:
        begin(core, job, job.claimed_at or core.now)
    record_attempt(core, job, "died", error=error, peak_rss=peak_rss)
    job.suspect = True
    failed(core, job, error, None, final=False)
