"""What a store may answer to questions, and what a job's row may say, beside the model of the queue."""

from __future__ import annotations

from queuack_store.engine.changes import JobState
from queuack_store.engine.inbox import Ask
from queuack_store.jobs import JobResult, JobView
from queuack_store.requests import GetJob, GetResults, Stats, Wait, WaitRun
from queuack_store.states import CLAIMED, DELAYED, ENDED, WAITING
from queuack_store.testing.model import Model, ModelJob

SLACK_S = 1e-4  # stored times are whole microseconds


class Answers:
    """Holds the replies to questions against a model; `_told` gathers the results that were shown."""

    model: Model
    _told: list[JobResult]

    def _take_stats(self, ask: Ask, request: Stats, counts: dict[str, int]) -> None:
        expected = self.model.counts(request.queue)
        assert {s: n for s, n in counts.items() if n} == expected, "the counters are wrong"

    def _take_getjob(self, ask: Ask, request: GetJob, view: JobView | None) -> None:
        job = self.model.jobs.get(request.id)
        assert (view is None) == (job is None), "a job is there or not"
        if view is not None and job is not None:
            assert (view.status, view.priority, view.attempts) == (job.status, job.priority, job.attempts)

    def _take_wait(self, ask: Ask, request: Wait, found: JobResult) -> None:
        assert found.status in ENDED, "a wait was over before the job was"
        self._told.append(found)

    def _take_getresults(self, ask: Ask, request: GetResults, found: list[JobResult]) -> None:
        assert [result.id for result in found] == request.ids
        self._told += found

    def _take_waitrun(self, ask: Ask, request: WaitRun, status: str) -> None:
        assert status in ENDED, f"a run that is {status} was said to have ended"


def compare(job: ModelJob, state: JobState, waiting_on: int) -> None:
    """Check the changing part of a job's row against the model."""
    where = f"job {job.seq}"
    assert state.status == job.status, f"{where} is {state.status}, not {job.status}"
    assert state.priority == job.priority, f"{where}: priority {state.priority}, not {job.priority}"
    assert state.attempts == job.attempts, f"{where}: {state.attempts} attempts, not {job.attempts}"
    assert state.max_attempts == job.max_attempts, f"{where}: the budget is {state.max_attempts}"
    assert state.suspect == job.suspect, f"{where}: suspect is {state.suspect}"
    assert state.session == (job.session if job.status == CLAIMED else None), f"{where}: another session"
    assert (state.completed_at is not None) == (job.status in ENDED), f"{where}: {state.completed_at=}"
    if job.status == CLAIMED:
        assert state.claim == job.claim, f"{where}: another claim"
        assert (state.started_at is not None) == job.started, f"{where}: started"
    elif job.status == WAITING:
        assert state.waiting_on == waiting_on, f"{where} waits for {state.waiting_on}, not {waiting_on}"
    elif job.status == DELAYED:
        assert abs((state.execute_after or 0.0) - (job.due or 0.0)) < SLACK_S, f"{where}: another time"
