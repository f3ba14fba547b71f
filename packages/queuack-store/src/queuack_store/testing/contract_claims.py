"""Contract: claiming, acking, handing back, retries and dead letters."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from queuack_store.errors import (
    ClaimLostError,
    InvalidRequestError,
    PayloadError,
    ResultNotReadyError,
    UnknownJobError,
)
from queuack_store.ids import new_id, to_raw, to_text
from queuack_store.requests import Verdict
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


class ClaimContract:
    """One job, one claim, one outcome."""

    def test_claim_returns_at_once_where_nothing_is_ready(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        assert queue.claim() is None
        assert queue.claim_batch() == []

    def test_a_claimed_job_shows_who_has_it(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, ("x",), priority=70)
        job = claimed(queue, job_id, worker_id="me")
        stored = queue.get_job(job_id)
        assert stored is not None
        for view in (job, stored):
            assert (view.status, view.claimed_by, view.attempts) == ("claimed", "me", 1)
            assert view.claimed_at is not None
            assert view.created_at is not None
            assert view.claimed_at >= view.created_at
            assert (view.priority, view.completed_at) == (70, None)
        assert queue.claim() is None
        assert job.execute() == "x"
        with pytest.raises(InvalidRequestError, match="not claimed"):
            stored.execute()

    def test_ack_makes_it_done(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, ("x",))
        queue.ack(claimed(queue, job_id).id, result={"answer": 42})
        job = queue.get_job(job_id)
        assert job is not None
        assert (job.status, job.attempts, job.error) == ("done", 1, None)
        assert job.completed_at is not None
        assert queue.get_result(job_id) == {"answer": 42}
        assert queue.stats()["done"] == 1
        assert queue.claim() is None

    def test_a_batch_of_claims_is_as_large_as_asked(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch([(echo, (i,)) for i in range(25)])
        batches = [queue.claim_batch() for _ in range(3)]
        assert [len(batch) for batch in batches] == [10, 10, 5]
        assert [job.id for batch in batches for job in batch] == ids
        for value in (0, -1, 1_001, 2.5):
            with pytest.raises(InvalidRequestError):
                queue.claim_batch(value)  # type: ignore[arg-type]

    def test_threads_never_get_the_same_job(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch([(echo, (i,)) for i in range(200)])
        taken: list[str] = []

        def take() -> None:
            while jobs := queue.claim_batch(3):
                taken.extend(job.id for job in jobs)
                for job in jobs:
                    queue.ack(job)

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(ids)
        assert queue.stats()["done"] == 200

    def test_a_failed_attempt_is_repeated_until_none_is_left(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, ("ouch",), max_attempts=2, retry_delay=0)
        assert finish(queue).attempts == 1
        job = queue.get_job(job_id)
        assert job is not None
        assert (job.status, job.attempts, job.error) == ("pending", 1, "ValueError: ouch")
        assert queue.list_dead_letters() == []
        assert finish(queue).attempts == 2
        (dead,) = queue.list_dead_letters()
        assert (dead.id, dead.status, dead.attempts, dead.error) == (job_id, "failed", 2, "ValueError: ouch")
        assert dead.completed_at is not None
        assert queue.claim() is None

    def test_the_wait_between_attempts_grows(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, retry_delay=1_000, retry_backoff=3, retry_jitter=0, retry_cap=2_000)
        for expected in (1_000, 2_000):
            queue.ack(claimed(queue, job_id), error="no")
            job = queue.get_job(job_id)
            assert job is not None
            assert job.status == "delayed"
            assert job.execute_after is not None
            ended = queue.attempts(job_id)[-1]["ended_at"]
            assert abs((job.execute_after - ended).total_seconds() - expected) < 1
            queue.reschedule(job_id)

    def test_a_retry_with_a_delay_comes_back_by_itself(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, retry_delay=0.03)
        finish(queue)
        assert until_ready(queue) == job_id

    def test_dead_letters_are_the_latest_first_and_limited(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch([(echo, ())] * 4, max_attempts=1)
        for job_id in ids:
            fail_for_good(queue, job_id)
        assert [job.id for job in queue.list_dead_letters()] == ids[::-1]
        assert [job.id for job in queue.list_dead_letters(limit=2)] == ids[:1:-1]
        assert queue.list_dead_letters(queue="other") == []

    def test_nack_hands_back_without_spending_an_attempt(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        first, second = queue.enqueue(echo, max_attempts=1), queue.enqueue(echo)
        for _ in range(3):
            queue.nack(claimed(queue, first))
        job = queue.get_job(first)
        assert job is not None
        assert (job.status, job.attempts, job.claimed_by) == ("pending", 0, None)
        claimed(queue, first)  # it kept its place
        claimed(queue, second)

    def test_nack_without_requeue_is_a_failed_attempt(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, max_attempts=2, retry_delay=0)
        queue.nack(claimed(queue, job_id), requeue=False)
        queue.nack(claimed(queue, job_id), requeue=False)
        assert [job.id for job in queue.list_dead_letters()] == [job_id]

    def test_a_claim_ends_once(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        job = claimed(queue, job_id)
        queue.ack(job, "first")
        with pytest.raises(ClaimLostError):
            queue.ack(job, "second")
        with pytest.raises(ClaimLostError):
            queue.nack(job)
        assert queue.get_result(job) == "first"

    def test_only_the_holder_may_end_a_claim(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        with pytest.raises(ClaimLostError):
            queue.ack(job_id)
        with pytest.raises(UnknownJobError):
            queue.ack(to_text(new_id()))
        with pytest.raises(InvalidRequestError, match="UUID"):
            queue.ack("nonsense")
        job = claimed(queue, job_id)
        other = another(make_queue)
        with pytest.raises(ClaimLostError):
            other.ack(job)
        with pytest.raises(ClaimLostError):
            other.nack(job)
        queue.ack(job)

    def test_a_verdict_ends_a_claim_of_another_handle(self, make_queue: MakeQueue) -> None:
        """As a failed attempt; what is to be spared goes back unspent; the holder has lost both."""
        queue, holder = make_queue(), another(make_queue)
        dead = queue.enqueue(echo, max_attempts=2, retry_delay=0)
        first = claimed(holder, dead)
        beside = queue.enqueue(echo, max_attempts=1)
        second = claimed(holder, beside)
        numbers = {job: held[0] for job, held in holder._held.items()}
        named, spared = [[(to_raw(j.id), numbers[to_raw(j.id)])] for j in (first, second)]
        queue.store.call(Verdict(named, "killed: it ate the machine", 7 << 20, spared))
        for job in (first, second):
            with pytest.raises(ClaimLostError):
                holder.ack(job)
        queue.store.call(Verdict(named, "said again", None, spared))
        (attempt,) = queue.attempts(dead)
        assert (attempt["outcome"], attempt["error"]) == ("died", "killed: it ate the machine")
        assert attempt["peak_rss_bytes"] == 7 << 20
        found, other = queue.get_job(dead), queue.get_job(beside)
        assert found is not None
        assert other is not None
        assert (found.status, found.attempts) == ("pending", 1)
        assert (other.status, other.attempts) == ("pending", 0)
        again = claimed(queue, dead)
        queue.store.call(Verdict([(to_raw(dead), queue._held[to_raw(dead)][0])], "killed again"))
        assert queue.get_job(again.id).status == "failed"  # type: ignore[union-attr]
        assert [job.error for job in queue.list_dead_letters()] == ["killed again"]

    def test_closing_a_handle_hands_its_claims_back_unspent(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        holder = another(make_queue)
        job_id = queue.enqueue(echo, max_attempts=1)
        claimed(holder, job_id)
        holder.close()
        job = claimed(queue, until_ready(queue))
        assert (job.id, job.attempts) == (job_id, 1)

    @pytest.mark.parametrize("result", [threading.Lock(), "x" * (16 << 20)], ids=["unpicklable", "too large"])
    def test_a_result_that_cannot_be_stored_fails_the_job_for_good(
        self, make_queue: MakeQueue, result: Any
    ) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        job = claimed(queue, job_id)
        with pytest.raises(PayloadError, match="return a path"):
            queue.ack(job, result)
        (dead,) = queue.list_dead_letters()
        assert dead.id == job_id
        assert "return a path" in (dead.error or "")
        with pytest.raises(ResultNotReadyError):
            queue.get_result(job_id)

    def test_an_exception_leaves_its_traceback(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, ("why",), max_attempts=1)
        finish(queue)
        (attempt,) = queue.attempts(job_id)
        assert attempt["error"] == "ValueError: why"
        assert "in boom" in attempt["traceback"]

    def test_a_claim_timeout_must_be_a_time(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        for value in (0, -1, float("nan")):
            with pytest.raises(InvalidRequestError):
                queue.claim(claim_timeout=value)
