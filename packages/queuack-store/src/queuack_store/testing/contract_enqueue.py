"""Contract: what enqueueing stores, in which order it comes out, what is refused and when it is too much."""

from __future__ import annotations

import uuid
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queuack_store.errors import (
    BackpressureError,
    InvalidRequestError,
    PayloadError,
    PayloadTooLargeError,
    UnknownJobError,
)
from queuack_store.ids import new_id, to_text
from queuack_store.queue import DuckQueue
from queuack_store.requests import MAX_BATCH_JOBS
from queuack_store.states import JobStatus
from queuack_store.testing.tasks import MakeQueue, claimed, echo, finish, refused, until_ready

NASTY_NAMES: list[Any] = [
    "",
    "a b",
    "x" * 129,
    "'; DROP TABLE jobs; --",
    "../../x",
    "%s",
    "{}",
    "a\0b",
    "é",
    "a\n",
    7,
    None,
]

OUT_OF_BOUNDS: list[dict[str, Any]] = [
    {"priority": -1}, {"priority": 101}, {"priority": 1.5}, {"priority": True}, {"priority": "50"},
    {"max_attempts": 0}, {"max_attempts": -1}, {"max_attempts": 2.0}, {"max_attempts": None},
    {"delay_seconds": -1}, {"delay_seconds": float("nan")}, {"delay_seconds": float("inf")},
    {"delay_seconds": "1"}, {"timeout_seconds": 0}, {"timeout_seconds": -5}, {"expires": 0},
    {"depends_on": "not an id"}, {"depends_on": [1]}, {"dependency_mode": "some"},
    {"retry_delay": -1}, {"retry_backoff": 0.5}, {"retry_jitter": 2}, {"retry_cap": -1},
    {"tags": "text"}, {"tags": [f"t{i}" for i in range(17)]}, {"args": 5}, {"args": "text"},
    {"kwargs": {1: 2}}, {"kwargs": [1]},
]  # fmt: skip


class EnqueueContract:
    """Jobs as they are taken in."""

    def test_an_enqueued_job_is_pending_with_the_documented_defaults(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        before = datetime.now(UTC) - timedelta(seconds=5)
        job_id = queue.enqueue(echo, ("hello",))
        assert str(uuid.UUID(job_id)) == job_id
        job = queue.get_job(job_id)
        assert job is not None
        assert (job.id, job.queue, job.status) == (job_id, "default", JobStatus.PENDING)
        assert (job.priority, job.attempts, job.max_attempts, job.timeout_seconds) == (50, 0, 3, 300)
        assert job.created_at is not None
        assert before < job.created_at < datetime.now(UTC) + timedelta(seconds=5)
        nothing = (job.execute_after, job.claimed_at, job.claimed_by, job.completed_at, job.error)
        assert nothing == (None,) * 5
        assert (job.skip_reason, job.node_name, job.dag_run_id) == (None, None, None)
        assert job.dependency_mode == "all"
        assert job.task == f"{echo.__module__}:echo"

    def test_every_option_is_kept(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(
            echo, [1], {"k": 2}, "side.queue-1_", 90, 3_600, 7, None, tags=["a", "b", "a"], expires=7_200
        )
        job = queue.get_job(job_id)
        assert job is not None
        assert (job.queue, job.priority, job.max_attempts) == ("side.queue-1_", 90, 7)
        assert (job.timeout_seconds, job.tags, job.status) == (None, ("a", "b"), "delayed")
        assert job.created_at is not None
        assert job.execute_after is not None
        assert abs((job.execute_after - job.created_at).total_seconds() - 3_600) < 1
        assert job.expires_at is not None
        assert abs((job.expires_at - job.created_at).total_seconds() - 7_200) < 1

    def test_arguments_arrive_as_they_were_sent(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        value = {"nul": "a\0b", "bytes": b"\xff", "big": 2**63, "tuple": (1, None), "text": "🦆\ud800"}
        queue.enqueue(echo, (value, 2), {"key": value})
        queue.enqueue(lambda x: x + 1, (41,))
        assert finish(queue).task.endswith(":echo")
        closure = queue.claim()
        assert closure is not None
        assert closure.execute() == 42

    def test_higher_priority_first_then_first_in_first_out(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        order = [(10, "e"), (50, "c"), (100, "a"), (50, "d"), (51, "b"), (0, "f")]
        for priority, label in order:
            queue.enqueue(echo, (label,), priority=priority)
        assert "".join(job.execute() for job in queue.claim_batch(10)) == "abcdef"

    def test_a_delayed_job_waits_for_its_time(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        later = queue.enqueue(echo, ("later",), delay_seconds=3_600)
        assert queue.claim() is None
        soon = queue.enqueue(echo, ("soon",), delay_seconds=timedelta(milliseconds=30))
        assert until_ready(queue) == soon
        claimed(queue, soon)
        assert queue.claim() is None
        assert queue.stats()["delayed"] == 1
        job = queue.get_job(later)
        assert job is not None
        assert job.status == "delayed"

    def test_queues_do_not_mix(self, make_queue: MakeQueue) -> None:
        queue = make_queue(default_queue="mine")
        mine, other = queue.enqueue(echo, (1,)), queue.enqueue(echo, (2,), queue="other")
        assert queue.claim(queue="default") is None
        claimed(queue, other, queue="other")
        claimed(queue, mine)
        assert queue.stats("mine")["claimed"] == queue.stats("other")["claimed"] == 1
        assert queue.stats()["claimed"] == 2

    def test_a_batch_is_stored_whole_and_in_order(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        ids = queue.enqueue_batch(
            [(echo, (i,), {}) for i in range(50)] + [(echo, (50,)), (len, ("ab",), None)]
        )
        assert len(set(ids)) == 52
        jobs = queue.claim_batch(100)
        assert [job.id for job in jobs] == ids
        assert [job.execute() for job in jobs] == [*range(51), 2]
        assert queue.enqueue_batch([]) == []

    def test_a_batch_with_a_bad_item_stores_nothing(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        good: Any = (echo, (1,), {})
        unpicklable: Any = (i for i in range(0))
        bad: Any
        bad_items: list[Any] = [
            (echo, (unpicklable,)),
            (1,),
            echo,
            (),
            (echo, (), {}, 1),
            (echo, 1),
            (echo, (), {1: 2}),
        ]
        for bad in bad_items:
            with pytest.raises(InvalidRequestError):
                queue.enqueue_batch([good, bad, good])
        with pytest.raises(PayloadError, match="argument 0"):
            queue.enqueue_batch([good, (echo, (unpicklable,), {})])
        assert sum(queue.stats().values()) == 0

    def test_a_batch_too_large_must_be_split(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        with pytest.raises(InvalidRequestError, match="split it"):
            queue.enqueue_batch((echo, ()) for _ in range(MAX_BATCH_JOBS + 1))
        with pytest.raises(InvalidRequestError, match="split it"):
            queue.enqueue_batch([(echo, ("x" * (14 << 20),))] * 5)
        assert sum(queue.stats().values()) == 0

    def test_a_payload_over_the_limit_hurts_only_its_sender(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        with pytest.raises(PayloadTooLargeError, match="pass its path"):
            queue.enqueue(echo, ("x" * (16 << 20),))
        queue.enqueue(echo, ("x" * ((16 << 20) - 1_000),))
        job = finish(queue)
        assert len(queue.get_result(job)) == (16 << 20) - 1_000

    def test_a_bad_queue_name_is_refused_everywhere(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        for name in NASTY_NAMES:
            calls: list[Any] = [queue.stats, queue.purge, queue.pause, queue.resume, queue.claim]
            calls += [lambda name: queue.enqueue(echo, queue=name)]
            if name is None:  # it stands for the default queue, or for all
                calls = []
            calls += [
                lambda name: make_queue(default_queue=name),
                lambda name: queue.enqueue(echo, tags=[name]),
            ]
            for call in calls:
                refused(InvalidRequestError, name, call, name, match="name")
        assert sum(queue.stats().values()) == 0

    def test_a_value_out_of_bounds_is_refused(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        for options in OUT_OF_BOUNDS:
            refused(InvalidRequestError, options, queue.enqueue, echo, **options)
        assert issubclass(InvalidRequestError, ValueError)
        assert sum(queue.stats().values()) == 0

    def test_an_unknown_parent_is_refused(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        with pytest.raises(UnknownJobError):
            queue.enqueue(echo, depends_on=to_text(new_id()))
        assert sum(queue.stats().values()) == 0


class Small(DuckQueue):
    """Warns at 3 and refuses at 5."""

    @classmethod
    def backpressure_warning_threshold(cls) -> int:
        """Return 3."""
        return 3

    @classmethod
    def backpressure_block_threshold(cls) -> int:
        """Return 5."""
        return 5


class BackpressureContract:
    """Thresholds of a subclass travel with its `enqueue`."""

    def test_it_warns_once_per_crossing_and_then_refuses(self, make_queue: MakeQueue) -> None:
        queue = make_queue(Small)
        for _round in range(2):
            warned = [_warnings(queue) for _ in range(5)]
            assert sum(warned) == 1, f"warned at {warned}"
            with pytest.raises(BackpressureError, match="5") as caught:
                queue.enqueue(echo)
            assert caught.value.retryable
            for _ in range(5):
                finish(queue)

    def test_it_counts_pending_and_delayed_jobs_of_that_queue(self, make_queue: MakeQueue) -> None:
        queue = make_queue(Small)
        queue.enqueue_batch([(echo, ())] * 3)
        queue.enqueue_batch([(echo, ())] * 2, delay_seconds=3_600)
        with pytest.raises(BackpressureError):
            queue.enqueue(echo)
        assert _warnings(queue, queue="other") == 0
        queue.claim_batch(3)  # claimed jobs don't count
        assert _warnings(queue) + _warnings(queue) == 1

    def test_only_enqueue_checks_and_only_when_asked(self, make_queue: MakeQueue) -> None:
        queue = make_queue(Small)
        assert len(queue.enqueue_batch([(echo, ())] * 20)) == 20
        assert _warnings(queue, check_backpressure=False) == 0
        assert queue.stats()["pending"] == 21

    def test_the_defaults(self) -> None:
        assert DuckQueue.backpressure_warning_threshold() == 1_000
        assert DuckQueue.backpressure_block_threshold() == 10_000


def _warnings(queue: DuckQueue, /, **options: Any) -> int:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        queue.enqueue(echo, **options)
    assert all(warning.category is UserWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return len(caught)
