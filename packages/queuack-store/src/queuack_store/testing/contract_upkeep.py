"""Contract: counting, purging, retrying, cancelling, pausing, rescheduling, and why a job is not running."""

from __future__ import annotations

from datetime import timedelta

import pytest

from queuack_store.errors import InvalidRequestError, JobCancelledError
from queuack_store.ids import to_raw
from queuack_store.queue import DuckQueue
from queuack_store.requests import Heartbeat
from queuack_store.states import JobStatus
from queuack_store.testing.tasks import (
    MakeQueue,
    another,
    boom,
    claimed,
    echo,
    fail_for_good,
    finish,
    until_ready,
)


def _status(queue: DuckQueue, job_id: str) -> str:
    job = queue.get_job(job_id)
    assert job is not None
    return job.status.value


class UpkeepContract:
    """What whoever looks after a queue does with it."""

    def test_stats_has_every_status(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        assert queue.stats() == {status.value: 0 for status in JobStatus}
        parent = queue.enqueue(echo)
        queue.enqueue(echo, depends_on=parent)
        queue.enqueue(echo, delay_seconds=3_600)
        queue.enqueue(echo, queue="other")
        queue.claim()
        expected = {**{status.value: 0 for status in JobStatus}, "claimed": 1, "waiting": 1, "delayed": 1}
        assert queue.stats("default") == expected
        assert queue.stats("unheard-of") == {status.value: 0 for status in JobStatus}
        assert queue.stats() == {**expected, "pending": 1}
        assert queue.queues()["other"]["pending"] == 1

    def test_purge_takes_the_ended_jobs_of_one_status(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        done, other = queue.enqueue(echo, ("x",)), queue.enqueue(echo, queue="other")
        finish(queue)
        finish(queue, queue="other")
        failed = queue.enqueue(echo, max_attempts=1)
        fail_for_good(queue, failed)
        pending = queue.enqueue(echo)
        assert queue.purge() == 0  # nothing is 24 hours old
        assert queue.purge("default", older_than_hours=0) == 1
        assert queue.get_job(done) is None
        assert queue.attempts(done) == []
        assert _status(queue, other) == "done"
        assert queue.purge(older_than_hours=0) == 1  # all queues
        assert queue.purge(status="failed", older_than_hours=0) == 1
        assert queue.get_job(failed) is None
        assert _status(queue, pending) == "pending"
        assert sum(queue.stats().values()) == 1
        for status in ("pending", "claimed", "nonsense", None):
            with pytest.raises(InvalidRequestError, match="purged"):
                queue.purge(status=status)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError):
            queue.purge(older_than_hours=-1)

    def test_purge_leaves_parents_of_unfinished_children(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo, priority=100)
        child = queue.enqueue(echo, depends_on=parent)
        finish(queue)
        assert queue.purge(older_than_hours=0) == 0
        finish(queue)
        assert queue.purge(older_than_hours=0) == 2
        assert (queue.get_job(parent), queue.get_job(child)) == (None, None)

    def test_the_rule_of_how_long_jobs_are_kept(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        assert queue.retention() == {}
        queue.set_retention({"done": "1.5h", "failed": timedelta(days=30), "skipped": 90, "cancelled": None})
        expected = {
            "done": timedelta(minutes=90), "failed": timedelta(days=30), "skipped": timedelta(seconds=90),
        }  # fmt: skip
        assert queue.retention() == expected
        with pytest.raises(InvalidRequestError, match="purged"):
            queue.set_retention({"pending": "7d"})
        assert queue.retention() == expected
        kept = queue.enqueue(echo)
        finish(queue)
        queue.close()
        queue = another(make_queue)
        assert queue.retention() == expected
        assert _status(queue, kept) == "done"
        queue = make_queue(retain={"done": "2w"})
        assert queue.retention() == {"done": timedelta(days=14)}

    def test_what_is_due_goes_by_itself(self, make_queue: MakeQueue) -> None:
        queue = make_queue(retain={"done": 0.05})
        job_id, kept = queue.enqueue(echo), queue.enqueue(echo, delay_seconds=3_600)
        finish(queue)
        while queue.get_job(job_id) is not None:  # it goes a second after its end
            queue.enqueue(echo, queue="tick", delay_seconds=0.1)
            queue.cancel(until_ready(queue, "tick"))
        assert queue.stats()["done"] == 0
        assert _status(queue, kept) == "delayed"

    def test_retry_gives_a_fresh_set_of_attempts(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, max_attempts=2, retry_delay=0)
        with pytest.raises(InvalidRequestError, match="pending"):
            queue.retry_job(job_id)
        finish(queue)
        finish(queue)
        queue.retry_job(job_id)
        job = queue.get_job(job_id)
        assert job is not None
        assert (job.status, job.max_attempts - job.attempts, job.completed_at) == ("pending", 2, None)
        finish(queue)
        assert _status(queue, job_id) == "pending"
        finish(queue)
        assert _status(queue, job_id) == "failed"
        assert len(queue.attempts(job_id)) == 4

    def test_each_retry_gives_as_many_attempts_as_were_asked_for(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, max_attempts=2, retry_delay=0)
        for spent in (2, 4, 6):
            finish(queue)
            finish(queue)
            job = queue.get_job(job_id)
            assert job is not None
            assert (job.status, job.attempts, job.max_attempts) == ("failed", spent, spent)
            queue.retry_job(job_id)

    def test_retry_brings_back_what_was_skipped_because_of_it(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo, max_attempts=1)
        child = queue.enqueue(echo, ("c",), depends_on=parent)
        grandchild = queue.enqueue(echo, ("g",), depends_on=child)
        fail_for_good(queue, parent)
        assert _status(queue, grandchild) == "skipped"
        queue.retry_job(parent)
        statuses = [_status(queue, job) for job in (parent, child, grandchild)]
        assert statuses == ["pending", "waiting", "waiting"]
        for _ in range(3):
            finish(queue)
        assert queue.get_result(grandchild) == "g"

    def test_retry_in_bulk(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch([(boom, ())] * 3, max_attempts=1)
        ids += queue.enqueue_batch([(boom, ())] * 2, "other", max_attempts=1)
        for name in ["default"] * 3 + ["other"] * 2:
            finish(queue, queue=name)
        assert queue.retry_jobs(ids[:2]) == 2
        assert queue.retry_all("other") == 2
        assert queue.stats()["pending"] == 4
        assert queue.retry_all() == 1
        assert queue.retry_all() == 0
        assert queue.stats()["pending"] == 5

    def test_cancel_before_the_start(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        pending = queue.enqueue(echo)
        delayed = queue.enqueue(echo, delay_seconds=3_600)
        waiting = queue.enqueue(echo, depends_on=pending)
        below = queue.enqueue(echo, depends_on=waiting)
        for job_id in (delayed, waiting, pending):
            assert queue.cancel(job_id) is True
            assert _status(queue, job_id) == "cancelled"
            assert queue.cancel(job_id) is False
        assert _status(queue, below) == "skipped"
        assert queue.claim() is None
        queue.retry_job(pending)
        claimed(queue, pending)

    def test_cancel_of_a_running_job_is_told_to_its_worker(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        claimed(queue, job_id)
        assert queue.cancel(job_id, "enough") is True
        assert queue.store.call(Heartbeat()) == [to_raw(job_id)]
        queue.nack(job_id)  # a holder that gives it up ends it
        with pytest.raises(JobCancelledError, match="enough"):
            queue.wait(job_id, 60)

    def test_a_paused_queue_hands_nothing_out(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        before = queue.enqueue(echo)
        queue.pause()
        after = queue.enqueue(echo)
        other = queue.enqueue(echo, queue="other")
        assert queue.claim() is None
        assert queue.queues()["default"]["paused"] == 1
        claimed(queue, other, queue="other")
        queue.resume()
        assert queue.queues()["default"]["paused"] == 0
        assert [job.id for job in queue.claim_batch()] == [before, after]

    def test_a_pause_survives_a_restart(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        queue.pause()
        queue.close()
        queue = another(make_queue)
        assert queue.claim() is None
        queue.resume()
        claimed(queue, job_id)

    def test_reprioritize_moves_a_job(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second, third = (queue.enqueue(echo) for _ in range(3))
        queue.reprioritize(third, 60)
        queue.reprioritize(first, 40)
        assert [job.id for job in queue.claim_batch()] == [third, second, first]
        with pytest.raises(InvalidRequestError):  # it is running
            queue.reprioritize(first, 50)
        with pytest.raises(InvalidRequestError):
            queue.reschedule(first, 5)
        with pytest.raises(InvalidRequestError):
            queue.reprioritize(first, 101)

    def test_reschedule_changes_when(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        queue.reschedule(job_id, 3_600)
        assert _status(queue, job_id) == "delayed"
        assert queue.claim() is None
        queue.reschedule(job_id, 0.02)
        assert until_ready(queue) == job_id

    def test_why_says_what_keeps_a_job(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo)
        behind = queue.enqueue(echo)
        child = queue.enqueue(echo, depends_on=parent)
        delayed = queue.enqueue(echo, delay_seconds=3_600)
        assert queue.why(behind)["reason"] == "no_worker"
        assert queue.why(behind)["ahead"] == 1
        assert queue.why(child)["reason"] == "waiting"
        assert [found["id"] for found in queue.why(child)["parents"]] == [parent]
        why = queue.why(delayed)
        job = queue.get_job(delayed)
        assert job is not None
        assert (why["reason"], why["until"]) == ("delayed", job.execute_after)
        queue.pause()
        assert queue.why(behind)["reason"] == "paused"
        queue.resume()
        claimed(queue, parent, worker_id="me")
        assert (queue.why(parent)["reason"], queue.why(parent)["worker"]) == ("claimed", "me")
        queue.ack(parent)
        assert queue.why(parent)["reason"] == "ended"
        assert all(isinstance(queue.why(job_id)["text"], str) for job_id in (parent, behind, child, delayed))
