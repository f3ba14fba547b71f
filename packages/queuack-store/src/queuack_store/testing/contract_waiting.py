"""Contract: results, waiting for a job, and the async twins."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from queuack_store.errors import (
    BackpressureError,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    JobSkippedError,
    ResultNotReadyError,
    UnknownJobError,
    WaitTimeoutError,
)
from queuack_store.ids import new_id, to_text
from queuack_store.testing.contract_enqueue import Small
from queuack_store.testing.tasks import (
    LONG_S,
    MakeQueue,
    boom,
    claimed,
    echo,
    fail_for_good,
    finish,
    until_ready,
)


class WaitingContract:
    """What became of a job, now or when it has ended."""

    def test_there_is_no_result_before_the_end(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, ("x",))
        with pytest.raises(ValueError, match="pending") as caught:
            queue.get_result(job_id)
        assert isinstance(caught.value, ResultNotReadyError)
        finish(queue)
        assert queue.get_result(job_id) == "x"
        failed = queue.enqueue(boom, max_attempts=1)
        finish(queue)
        with pytest.raises(ResultNotReadyError, match=r"failed.*ValueError: boom"):
            queue.get_result(failed)

    def test_results_of_every_kind(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        values: list[Any] = [None, 0, "", b"\0", {"a": (1, 2)}, [None]]
        ids = [queue.enqueue(echo, (value,)) for value in values]
        for _ in values:
            finish(queue)
        assert [queue.get_result(job_id) for job_id in ids] == values
        assert [queue.wait(job_id) for job_id in ids] == values

    def test_all_of_many_jobs(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch([(echo, (n,)) for n in range(600)])
        for job in queue.claim_batch(len(ids) - 1):
            queue.ack(job, result=job.execute())
        with pytest.raises(WaitTimeoutError):
            queue.wait_all(ids, timeout=0.05)
        timer = threading.Timer(0.05, finish, [queue])
        timer.start()
        assert queue.wait_all([*ids, ids[0]], timeout=LONG_S) == [*range(600), 0]
        timer.join()
        assert queue.wait_all([]) == []
        failed = queue.enqueue(boom, max_attempts=1)
        finish(queue)
        with pytest.raises(JobFailedError, match="boom"):
            queue.wait_all([ids[0], failed])
        with pytest.raises(UnknownJobError):
            queue.wait_all([ids[0], to_text(new_id())])

    def test_an_unknown_job_is_said_to_be_unknown(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        unknown = to_text(new_id())
        assert queue.get_job(unknown) is None
        calls: list[Any] = [queue.get_result, queue.wait, queue.cancel, queue.retry_job, queue.why]
        calls += [queue.reschedule, lambda job: queue.reprioritize(job, 5)]
        for call in calls:
            with pytest.raises(UnknownJobError) as caught:
                call(unknown)
            assert isinstance(caught.value, (ValueError, LookupError))
        for call in [*calls, queue.get_job, queue.attempts]:
            with pytest.raises(InvalidRequestError, match="UUID"):
                call("42")

    def test_wait_is_woken_when_the_job_ends(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, ("late",))
        got: list[Any] = []
        threads = [threading.Thread(target=lambda: got.append(queue.wait(job_id, LONG_S))) for _ in range(3)]
        for thread in threads:
            thread.start()
        finish(queue)
        for thread in threads:
            thread.join()
        assert got == ["late"] * 3

    def test_wait_gives_up_and_the_job_goes_on(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, ("x",))
        for timeout in (0, 0.01):
            with pytest.raises(WaitTimeoutError) as caught:
                queue.wait(job_id, timeout=timeout)
            assert isinstance(caught.value, TimeoutError)
        finish(queue)
        assert queue.wait(job_id, timeout=LONG_S) == "x"

    def test_wait_raises_how_the_job_ended(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        failed = queue.enqueue(boom, ("the reason",), max_attempts=1)
        child = queue.enqueue(echo, depends_on=failed)
        finish(queue)
        with pytest.raises(JobFailedError, match="ValueError: the reason") as caught:
            queue.wait(failed)
        assert "in boom" in caught.value.traceback
        assert caught.value.facts["id"] == failed
        with pytest.raises(JobSkippedError, match=child):
            queue.wait(child)
        cancelled = queue.enqueue(echo)
        queue.cancel(cancelled, "not needed")
        with pytest.raises(JobCancelledError, match=f"{cancelled}.*not needed"):
            queue.wait(cancelled)

    def test_wait_sees_through_retries(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(boom, max_attempts=2, retry_delay=0.01)
        got: list[BaseException] = []

        def wait() -> None:
            try:
                queue.wait(job_id, LONG_S)
            except JobFailedError as error:
                got.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        finish(queue)
        until_ready(queue)
        assert got == []
        finish(queue)
        thread.join()
        assert len(got) == 1

    def test_an_expired_job_is_skipped(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, expires=0.03)
        queue.enqueue(echo, queue="later", delay_seconds=0.06)
        until_ready(queue, "later")
        assert queue.claim() is None
        with pytest.raises(JobSkippedError, match="expired"):
            queue.wait(job_id, LONG_S)

    def test_a_job_expires_though_nobody_asks_for_it(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        parent = queue.enqueue(echo, delay_seconds=3_600)
        waiting = queue.enqueue(echo, depends_on=parent, expires=0.05)
        below = queue.enqueue(echo, depends_on=waiting)
        delayed = queue.enqueue(echo, delay_seconds=3_600, expires=0.06)
        queue.pause("held")
        pending = queue.enqueue(echo, queue="held", expires=0.04)
        later = queue.enqueue(echo, queue="held", expires=3_600)
        for job_id in (pending, waiting, delayed):
            with pytest.raises(JobSkippedError, match="expired"):
                queue.wait(job_id, LONG_S)
        with pytest.raises(JobSkippedError, match="parent"):
            queue.wait(below, LONG_S)
        assert [(job.status, job.attempts) for job in map(queue.get_job, (parent, later)) if job] == [
            ("delayed", 0), ("pending", 0),
        ]  # fmt: skip

    def test_a_running_job_does_not_expire(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        running, witness = (
            queue.enqueue(echo, ("r",), priority=90, expires=0.05),
            queue.enqueue(echo, expires=0.06),
        )
        job = claimed(queue, running)
        with pytest.raises(JobSkippedError, match="expired"):
            queue.wait(witness, LONG_S)
        queue.ack(job, "in time")
        assert queue.wait(running, LONG_S) == "in time"
        again = queue.enqueue(echo, expires=0.05)
        job = claimed(queue, again)
        queue.enqueue(echo, queue="later", delay_seconds=0.1)
        until_ready(queue, "later")
        queue.nack(job)  # its time is over meanwhile
        with pytest.raises(JobSkippedError, match="expired"):
            queue.wait(again, LONG_S)

    def test_the_async_twins_do_the_same(self, make_queue: MakeQueue) -> None:
        queue = make_queue(Small)

        async def use() -> None:
            job_id = await queue.aenqueue(echo, ("a",), None, "default", 60)
            ids = await queue.aenqueue_batch([(echo, ("b",)), (echo, ("c",))])
            waits = [asyncio.create_task(queue.await_result(job, LONG_S)) for job in (job_id, *ids)]
            for _ in range(3):
                await asyncio.to_thread(finish, queue)
            assert await asyncio.gather(*waits) == ["a", "b", "c"]
            with pytest.raises(InvalidRequestError):
                await queue.aenqueue(echo, priority=1_000)
            blocked = await queue.aenqueue(echo)
            with pytest.raises(WaitTimeoutError):
                await queue.await_result(blocked, timeout=0.01)
            await queue.aenqueue_batch([(echo, ())] * 9)
            with pytest.raises(BackpressureError):
                await queue.aenqueue(echo)
            with pytest.raises(UnknownJobError):
                await queue.await_result(to_text(new_id()))

        asyncio.run(use())

    def test_an_awaited_failure_is_the_jobs_own(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, max_attempts=1)
        fail_for_good(queue, job_id)
        with pytest.raises(JobFailedError, match="failed for good"):
            asyncio.run(queue.await_result(job_id))

    def test_a_cancelled_await_leaves_the_handle_whole(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo, ("x",))

        async def give_up() -> None:
            task = asyncio.create_task(queue.await_result(job_id))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(give_up())
        finish(queue)
        assert queue.wait(job_id, LONG_S) == "x"
