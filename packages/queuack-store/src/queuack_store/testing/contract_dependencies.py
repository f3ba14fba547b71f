"""Contract: jobs that wait for other jobs, released or skipped in the step that ends the parent."""

from __future__ import annotations

import pytest

from queuack_store.errors import UnknownJobError
from queuack_store.queue import DuckQueue
from queuack_store.states import DependencyMode
from queuack_store.testing.tasks import MakeQueue, claimed, echo, fail_for_good, finish, until_ready


def _status(queue: DuckQueue, job_id: str) -> str:
    job = queue.get_job(job_id)
    assert job is not None
    return job.status.value


def _parents(queue: DuckQueue, count: int) -> list[str]:
    return queue.enqueue_batch([(echo, (i,)) for i in range(count)], priority=100, max_attempts=1)


class DependencyContract:
    """ALL, ANY and ALWAYS, parents that have ended already, and chains of skips."""

    def test_all_waits_for_every_parent(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second = _parents(queue, 2)
        child = queue.enqueue(echo, depends_on=[first, second, first])
        job = queue.get_job(child)
        assert job is not None
        assert (job.status, job.waiting_on) == ("waiting", 2)
        queue.ack(claimed(queue, first))
        assert _status(queue, child) == "waiting"
        queue.ack(claimed(queue, second))
        assert _status(queue, child) == "pending"
        claimed(queue, child)

    def test_all_is_skipped_with_its_descendants_when_a_parent_fails(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second = _parents(queue, 2)
        child = queue.enqueue(echo, depends_on=[first, second])
        grandchild = queue.enqueue(echo, depends_on=child)
        fail_for_good(queue, first)
        for job_id in (child, grandchild):
            job = queue.get_job(job_id)
            assert job is not None
            assert job.status == "skipped"
            assert job.skip_reason
            assert job.completed_at is not None
        assert queue.stats()["skipped"] == 2
        queue.ack(claimed(queue, second))
        assert queue.claim() is None

    def test_any_starts_at_the_first_success_and_once(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second, third = _parents(queue, 3)
        child = queue.enqueue(echo, depends_on=[first, second, third], dependency_mode=DependencyMode.ANY)
        fail_for_good(queue, first)
        assert _status(queue, child) == "waiting"
        queue.ack(claimed(queue, second))
        assert _status(queue, child) == "pending"
        late = claimed(queue, third)
        queue.ack(claimed(queue, child), "ran")
        queue.ack(late)
        assert _status(queue, child) == "done"
        assert queue.claim() is None

    def test_any_is_skipped_only_when_no_parent_succeeded(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second = _parents(queue, 2)
        child = queue.enqueue(echo, depends_on=[first, second], dependency_mode="any")
        fail_for_good(queue, first)
        queue.cancel(second)
        assert _status(queue, child) == "skipped"

    def test_always_runs_when_every_parent_has_ended_however(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second, third = _parents(queue, 3)
        child = queue.enqueue(echo, depends_on=[first, second, third], dependency_mode="always")
        fail_for_good(queue, first)
        queue.cancel(second)
        assert _status(queue, child) == "waiting"
        queue.ack(claimed(queue, third))
        assert _status(queue, child) == "pending"

    def test_a_retried_attempt_is_no_end(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo, max_attempts=2, retry_delay=0)
        child = queue.enqueue(echo, depends_on=parent)
        queue.ack(claimed(queue, parent), error="once")
        assert _status(queue, child) == "waiting"
        queue.ack(claimed(queue, parent))
        assert _status(queue, child) == "pending"

    def test_parents_that_have_ended_already(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        done, failed, cancelled = _parents(queue, 3)
        queue.ack(claimed(queue, done))
        fail_for_good(queue, failed)
        queue.cancel(cancelled)
        assert _status(queue, queue.enqueue(echo, depends_on=done)) == "pending"
        assert _status(queue, queue.enqueue(echo, depends_on=[done, failed])) == "skipped"
        assert _status(queue, queue.enqueue(echo, depends_on=cancelled)) == "skipped"
        anyone = queue.enqueue(echo, depends_on=[failed, done], dependency_mode="any")
        nobody = queue.enqueue(echo, depends_on=[failed, cancelled], dependency_mode="any")
        always = queue.enqueue(echo, depends_on=[failed, cancelled], dependency_mode="always")
        assert [_status(queue, job) for job in (anyone, nobody, always)] == ["pending", "skipped", "pending"]

    def test_a_purged_parent_is_unknown(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        (parent,) = _parents(queue, 1)
        finish(queue)
        assert queue.purge(older_than_hours=0) == 1
        with pytest.raises(UnknownJobError):
            queue.enqueue(echo, depends_on=parent)

    def test_a_delay_of_a_waiting_job_is_kept(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        (parent,) = _parents(queue, 1)
        later = queue.enqueue(echo, depends_on=parent, delay_seconds=3_600)
        queue.ack(claimed(queue, parent))
        assert _status(queue, later) == "delayed"
        assert queue.claim() is None

    def test_children_run_in_priority_order_after_a_fan_out(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        (parent,) = _parents(queue, 1)
        job = queue.get_job(parent)
        assert job is not None
        low = queue.enqueue(echo, depends_on=job, priority=10)
        middle = [queue.enqueue(echo, depends_on=[job]) for _ in range(3)]
        high = queue.enqueue(echo, depends_on=parent, priority=90)
        queue.ack(claimed(queue, parent))
        assert [job.id for job in queue.claim_batch(10)] == [high, *middle, low]

    def test_a_chain_runs_to_its_end(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = [queue.enqueue(echo, (0,))]
        for i in range(1, 30):
            ids.append(queue.enqueue(echo, (i,), depends_on=ids[-1]))
        for job_id in ids:
            assert until_ready(queue) == job_id
            finish(queue)
        assert queue.stats()["done"] == 30
