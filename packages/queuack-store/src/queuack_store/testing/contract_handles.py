"""Contract: handles that open, close, share a store and refuse what they must."""

from __future__ import annotations

from typing import Any

import pytest

from queuack_store.errors import InvalidRequestError, PayloadError, StoreClosedError
from queuack_store.testing.tasks import LONG_S, MakeQueue, another, claimed, echo, finish, refused

BAD_OPTIONS: list[dict[str, Any]] = [
    {"serialization": "yaml"}, {"owner": "nobody"}, {"allowed_modules": ["m"]}, {"workers_num": -1},
    {"worker_concurrency": 0}, {"poll_timeout": 0}, {"poll_timeout": -1},
    {"serialization": "json_ref", "allowed_modules": "m"},
]  # fmt: skip


class HandleContract:
    """One handle after another, and several at a time."""

    def test_a_closed_handle_says_so(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        job_id = queue.enqueue(echo)
        queue.close()
        queue.close()
        calls: list[Any] = [
            lambda: queue.enqueue(echo), lambda: queue.enqueue_batch([(echo, ())]), queue.claim, queue.stats,
            lambda: queue.get_job(job_id), lambda: queue.wait(job_id), queue.purge,
            lambda: queue.ack(job_id), lambda: queue.sql("SELECT 1"),
        ]  # fmt: skip
        for call in calls:
            with pytest.raises(StoreClosedError):
                call()

    def test_with_closes_it(self, make_queue: MakeQueue) -> None:
        with make_queue() as queue:
            queue.enqueue(echo)
        with pytest.raises(StoreClosedError):
            queue.stats()

    def test_what_was_stored_is_there_after_closing(self, make_queue: MakeQueue) -> None:
        queue = make_queue()
        done, failed = queue.enqueue(echo, ("kept",)), queue.enqueue(echo, max_attempts=1)
        finish(queue)
        queue.ack(claimed(queue, failed), error="oops")
        rest = queue.enqueue_batch([(echo, (i,)) for i in range(20)])
        child = queue.enqueue(echo, depends_on=rest[0])
        delayed = queue.enqueue(echo, delay_seconds=3_600, tags=["t"])
        held = queue.claim()
        assert held is not None
        before = queue.stats()
        queue.close()

        queue = another(make_queue)
        assert queue.stats() == {**before, "claimed": 0, "pending": before["pending"] + 1}
        assert queue.get_result(done) == "kept"
        assert [job.error for job in queue.list_dead_letters()] == ["oops"]
        job = queue.get_job(delayed)
        assert job is not None
        assert (job.status, job.tags) == ("delayed", ("t",))
        assert [job.id for job in queue.claim_batch(50)] == rest
        queue.ack(rest[0])
        claimed(queue, child)

    def test_two_handles_work_on_the_same_jobs(self, make_queue: MakeQueue) -> None:
        producer = make_queue()
        consumer = another(make_queue)
        ids = producer.enqueue_batch([(echo, (i,)) for i in range(10)])
        for _ in range(5):
            finish(consumer)
            finish(producer)
        assert [consumer.wait(job_id, LONG_S) for job_id in ids] == list(range(10))
        assert producer.stats() == consumer.stats()

    def test_json_ref_carries_names_and_json_only(self, make_queue: MakeQueue) -> None:
        queue = make_queue(serialization="json_ref", allowed_modules=["queuack_store.testing"])
        job_id = queue.enqueue(echo, ([1, {"a": None}],))
        finish(queue)
        assert queue.get_result(job_id) == [1, {"a": None}]
        for bad in ((1,), {1: 2}, b"x", float("nan")):
            with pytest.raises(PayloadError):
                queue.enqueue(echo, (bad,))
        with pytest.raises(PayloadError):
            queue.enqueue(lambda: 1)
        queue.enqueue(len, ("abc",))
        job = queue.claim()
        assert job is not None
        with pytest.raises(PayloadError, match="allowed_modules"):
            job.execute()
        with pytest.raises(PayloadError):
            queue.ack(job, (1, 2))
        assert [dead.id for dead in queue.list_dead_letters()] == [job.id]

    def test_json_ref_never_unpickles_what_others_stored(
        self, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pickling = make_queue()
        careful = another(make_queue, serialization="json_ref")
        pickled, done = pickling.enqueue(echo, ("x",)), pickling.enqueue(echo, ("y",), priority=90)
        finish(pickling)
        monkeypatch.setattr("queuack_store.payload.pickle.loads", lambda *_: pytest.fail("it was unpickled"))
        with pytest.raises(PayloadError, match="never unpickles"):
            claimed(careful, pickled).execute()
        with pytest.raises(PayloadError, match="never unpickles"):
            careful.get_result(done)

    def test_an_option_out_of_bounds_is_refused(self, make_queue: MakeQueue) -> None:
        for options in BAD_OPTIONS:
            refused(InvalidRequestError, options, make_queue, **options)
