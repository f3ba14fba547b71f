"""Contract: a job that adds to the graph around it as it ends, in the same record."""

from __future__ import annotations

from typing import Any

import pytest

from queuack_store import ids
from queuack_store.errors import InvalidRequestError
from queuack_store.jobs import ClaimedJob, Growth, Memo, NewJob, NewRun, Outcome
from queuack_store.payload import encode_call
from queuack_store.queue import DuckQueue
from queuack_store.requests import Claim, Finish, RunResults
from queuack_store.testing.tasks import MakeQueue, echo


def _claim(queue: DuckQueue) -> ClaimedJob:
    claimed: list[ClaimedJob] = queue.store.call(Claim([("default", 50)], whole=True))
    return claimed[0]


def _new(*feeds: str, run_id: bytes | None = None, **facts: Any) -> NewJob:
    task, payload = encode_call(echo, (1,))
    fed = tuple(map(ids.to_raw, feeds))
    return NewJob(ids.new_id(), task, payload, run_id=run_id, feeds=fed, **facts)


def _end(queue: DuckQueue, job: ClaimedJob, kind: str = "done", **growth: Any) -> list[Any]:
    refused: list[Any] = queue.store.call(
        Finish([Outcome(job.id, job.claim, kind, result=b"J1", growth=Growth(**growth))])
    )
    return refused


def _stands(queue: DuckQueue, job_id: str) -> tuple[str, int]:
    job = queue.get_job(job_id)
    assert job is not None
    return job.status.value, job.waiting_on


class GrowthContract:
    """New jobs, jobs they feed, children that are closed, and claims that were lost."""

    def test_new_jobs_are_waited_for_by_what_they_feed(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo)
        child = queue.enqueue(echo, depends_on=parent)
        run = NewRun(ids.new_id(), "items")
        new = [_new(child, run_id=run.id) for _ in range(3)]
        assert _end(queue, _claim(queue), jobs=new, runs=[run]) == []
        assert _stands(queue, child) == ("waiting", 3)
        for spec in new:
            assert _stands(queue, child)[0] == "waiting"
            job = _claim(queue)
            assert job.id == spec.id
            queue.store.call(Finish([Outcome(job.id, job.claim, result=b"J2")]))
        assert _stands(queue, child) == ("pending", 0)
        page = queue.store.call(RunResults(run.id, limit=2))
        assert [(found.id, found.result) for _, found in page] == [(spec.id, b"J2") for spec in new[:2]]
        (last,) = queue.store.call(RunResults(run.id, after=page[-1][0]))
        assert last[1].id == new[2].id
        edges = "SELECT parent_id::VARCHAR FROM job_dependencies WHERE child_id = ?::UUID ORDER BY position"
        assert [row[0] for row in queue.sql(edges, [child])] == [
            parent,
            *(ids.to_text(spec.id) for spec in new),
        ]

    def test_a_job_that_grows_goes_on(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo)
        child = queue.enqueue(echo, depends_on=parent)
        held = _claim(queue)
        assert _end(queue, held, "grown", jobs=[_new(child)]) == []
        assert _stands(queue, parent)[0] == "claimed"
        assert _stands(queue, child) == ("waiting", 2)
        assert _end(queue, held) == []
        assert _stands(queue, child) == ("waiting", 1)

    def test_a_lost_claim_adds_nothing(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        child = queue.enqueue(echo, depends_on=queue.enqueue(echo))
        held = _claim(queue)
        queue.store.call(Finish([Outcome(held.id, held.claim, "returned")]))
        ((_, error),) = _end(queue, held, jobs=[_new(child)])
        assert error[0] == "ClaimLostError"
        assert queue.stats()["pending"] == 1
        assert _stands(queue, child) == ("waiting", 1)

    def test_nothing_is_made_for_what_waits_no_more(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        child = queue.enqueue(echo, depends_on=queue.enqueue(echo))
        queue.cancel(child)
        run = NewRun(ids.new_id(), "items")
        assert _end(queue, _claim(queue), jobs=[_new(child, run_id=run.id)], runs=[run]) == []
        assert queue.stats()["pending"] == 0
        assert len(queue.sql("SELECT * FROM dag_runs")) == 0

    def test_new_jobs_that_would_wait_for_themselves_are_refused(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first = queue.enqueue(echo)
        child = queue.enqueue(echo, depends_on=first)
        last = queue.enqueue(echo, depends_on=queue.enqueue(echo, depends_on=child))
        held = _claim(queue)
        before = _new(child)
        for behind in ([last], [child]):
            direct = _new(child, parents=tuple(map(ids.to_raw, behind)))
            between = _new(parents=direct.parents)
            around = [between, _new(child, parents=(between.id,))]
            for circle in ([direct], [before, *around]):
                with pytest.raises(InvalidRequestError, match="circle"):
                    _end(queue, held, jobs=circle)
        assert queue.stats()["pending"] == 0
        assert _stands(queue, child) == ("waiting", 1)
        beside = _new(child, parents=(before.id,))
        assert _end(queue, held, jobs=[before, beside, _new(parents=(ids.to_raw(last),))]) == []
        assert _stands(queue, child) == ("waiting", 2)

    def test_a_failed_new_job_skips_what_it_feeds_and_a_retry_waits_for_it_again(
        self, make_queue: MakeQueue
    ) -> None:
        queue = make_queue()
        child = queue.enqueue(echo, depends_on=queue.enqueue(echo))
        new = [_new(child, max_attempts=1), _new(child)]
        _end(queue, _claim(queue), jobs=new)
        bad = _claim(queue)
        queue.store.call(Finish([Outcome(bad.id, bad.claim, "failed", error="no")]))
        assert _stands(queue, child)[0] == "skipped"
        queue.retry_job(ids.to_text(bad.id))
        assert _stands(queue, child) == ("waiting", 2)

    def test_closed_children_are_skipped_for_good(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo)
        left, right = (queue.enqueue(echo, depends_on=parent) for _ in range(2))
        behind = queue.enqueue(echo, depends_on=right)
        _end(queue, _claim(queue), closed=[ids.to_raw(right)], reason="not chosen")
        assert _stands(queue, left)[0] == "pending"
        job = queue.get_job(right)
        assert job is not None
        assert (job.status, job.skip_reason) == ("skipped", "not chosen")
        assert _stands(queue, behind)[0] == "skipped"
        queue.retry_job(right)
        assert _stands(queue, right)[0] == _stands(queue, behind)[0] == "skipped"

    def test_a_memo_stays_with_its_job(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        _end(queue, _claim(queue), memo=Memo(b"key"))
        found = "SELECT job_id::VARCHAR, origin_id::VARCHAR FROM job_memos WHERE key = ?"
        assert queue.sql(found, [b"key"]).fetchall() == [(job_id, job_id)]
        assert queue.purge(older_than_hours=0) == 1
        assert queue.sql(found, [b"key"]).fetchall() == []
