"""Workers as threads of this process, on a queue in memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import worker_jobs as jobs
from queuack_store import (
    DuckQueue,
    FileReplacedError,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    JobStatus,
    StoreClosedError,
)
from queuack_store.jobs import Outcome
from queuack_store.requests import Claim, Finish
from queuack_worker import Worker, WorkerPool, get_context
from queuack_worker.crew import Crew
from queuack_worker.events import Event
from queuack_worker.resources import Limits
from queuack_worker.settings import Settings
from worker_signals import Signals

WAIT_S = 30.0


def attempts(queue: DuckQueue, job_id: str) -> list[str]:
    return [attempt["outcome"] for attempt in queue.attempts(job_id)]


def test_jobs_run_and_results_come_back(memory: DuckQueue) -> None:
    with WorkerPool(memory, num_workers=2, concurrency=2) as pool:
        ids = memory.enqueue_batch([(jobs.add, (i, 1), {}) for i in range(500)])
        assert [memory.wait(job_id, WAIT_S) for job_id in ids] == [i + 1 for i in range(500)]
        assert memory.wait(memory.enqueue(jobs.nothing), WAIT_S) is None
        assert len(pool.threads) == 4
        assert all(thread.is_alive() for thread in pool.threads)
    assert not pool.running
    assert memory.stats()["done"] == 501


def test_a_lambda_and_a_closure_run(memory: DuckQueue) -> None:
    factor = 6
    with WorkerPool(memory, 1):
        assert memory.wait(memory.enqueue(lambda x: x * factor, (7,)), WAIT_S) == 42


def test_the_queue_starts_workers_through_the_entry_point() -> None:
    with DuckQueue(":memory:", workers_num=2) as queue:
        assert queue.wait(queue.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


@pytest.mark.parametrize(
    "func",
    [
        jobs.ctx_first,
        jobs.ctx_last,
        jobs.ctx_keyword,
        jobs.ctx_positional,
        jobs.ctx_implicit,
        jobs.ctx_async,
        jobs.Callable_(),
    ],
)
def test_a_context_is_given_however_it_is_declared(memory: DuckQueue, func: object) -> None:
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(func, (5,))  # type: ignore[arg-type]
        assert memory.wait(job_id, WAIT_S) == (job_id, 5)


def test_the_context_knows_its_job_and_its_queue(memory: DuckQueue) -> None:
    assert get_context() is None
    with WorkerPool(memory, 1):
        found = memory.wait(memory.enqueue(jobs.facts), WAIT_S)
        assert found == {"attempt": 1, "queue": "default", "run": None, "path": ":memory:"}
        inner = memory.wait(memory.enqueue(jobs.enqueue_more), WAIT_S)
        assert memory.wait(inner, WAIT_S) == 7


def test_parents_are_read_through_the_context(memory: DuckQueue) -> None:
    with WorkerPool(memory, 2):
        one = memory.enqueue(jobs.add, (1, 1))
        two = memory.enqueue(jobs.add, (2, 2))
        child = memory.enqueue(jobs.parents, depends_on=[one, two])
        assert memory.wait(child, WAIT_S) == {
            "results": [2, 4],
            "first": 2,
            "by_name": 2,
            "missing": 7,
            "has": True,
            "has_any": True,
            "completed": 2,
        }


def test_under_any_upstream_all_is_refused_and_upstream_any_serves(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1):
        bad = memory.enqueue(jobs.fail, max_attempts=1)
        good = memory.enqueue(jobs.add, (1, 1))
        first = memory.enqueue(jobs.any_of_any, depends_on=[bad, good], dependency_mode="any")
        assert memory.wait(first, WAIT_S) == 2
        second = memory.enqueue(
            jobs.all_of_any, depends_on=[bad, good], dependency_mode="any", max_attempts=1
        )
        with pytest.raises(JobFailedError, match="upstream_completed"):
            memory.wait(second, WAIT_S)


def test_a_failure_is_stored_with_message_and_traceback(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(jobs.fail, ("the reason",), max_attempts=1)
        with pytest.raises(JobFailedError, match="ValueError: the reason") as caught:
            memory.wait(job_id, WAIT_S)
    assert "worker_jobs.py" in caught.value.traceback
    assert "runner.py" not in caught.value.traceback
    assert attempts(memory, job_id) == ["failed"]


def test_a_function_hides_its_frame_as_it_does_for_pytest(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(jobs.fail_hidden, ("the reason",), max_attempts=1)
        with pytest.raises(JobFailedError) as caught:
            memory.wait(job_id, WAIT_S)
    assert "in fail\n" in caught.value.traceback
    assert "fail_hidden" not in caught.value.traceback


@pytest.mark.parametrize(
    ("func", "text"),
    [
        (jobs.unpicklable, "can't be pickled"),
        (jobs.huge, "return a path"),
        (jobs.raise_unprintable, "Unprintable: <its message can't be read"),
        (jobs.raise_unpicklable, "Unpicklable: held a lock"),
        (jobs.exit_quietly, "SystemExit: 3"),
        (jobs.recurse, "RecursionError"),
    ],
)
def test_poison_that_threads_survive(memory: DuckQueue, func: object, text: str) -> None:
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(func, max_attempts=1)  # type: ignore[arg-type]
        with pytest.raises(JobFailedError, match=text):
            memory.wait(job_id, WAIT_S)
        assert memory.wait(memory.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_a_result_that_cannot_be_stored_is_not_tried_again(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(jobs.unpicklable, max_attempts=5)
        with pytest.raises(JobFailedError):
            memory.wait(job_id, WAIT_S)
    assert len(attempts(memory, job_id)) == 1


def test_failed_attempts_are_retried(memory: DuckQueue, tmp_path: Path) -> None:
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(jobs.fail, max_attempts=3, retry_delay=0.0)
        with pytest.raises(JobFailedError):
            memory.wait(job_id, WAIT_S)
    assert attempts(memory, job_id) == ["failed"] * 3


def test_retry_rules_decide_by_the_type_of_error(memory: DuckQueue, tmp_path: Path) -> None:
    with WorkerPool(memory, 1):
        never = memory.enqueue(jobs.never_again, max_attempts=5, retry_delay=0.0)
        only = memory.enqueue(
            jobs.only_os_errors, (str(tmp_path / "tries"),), max_attempts=5, retry_delay=0.0
        )
        for job_id in (never, only):
            with pytest.raises(JobFailedError):
                memory.wait(job_id, WAIT_S)
    assert attempts(memory, never) == attempts(memory, only) == ["failed"]


def test_a_job_can_snooze_cancel_or_discard_itself(memory: DuckQueue, tmp_path: Path) -> None:
    with WorkerPool(memory, 1):
        snoozed = memory.enqueue(jobs.snooze_once, (str(tmp_path / "seen"), 0.01), max_attempts=1)
        assert memory.wait(snoozed, WAIT_S) == 1
        with pytest.raises(JobCancelledError, match="not needed"):
            memory.wait(memory.enqueue(jobs.cancel_me), WAIT_S)
        discarded = memory.enqueue(jobs.discard_me, max_attempts=5)
        with pytest.raises(JobFailedError, match="beyond help"):
            memory.wait(discarded, WAIT_S)
    assert attempts(memory, discarded) == ["failed"]


def test_coroutines_run_together_on_one_loop(memory: DuckQueue, tmp_path: Path) -> None:
    names = [f"job{i}" for i in range(20)]
    with WorkerPool(memory, 1):
        ids = [memory.enqueue(jobs.meet, (names, name, str(tmp_path))) for name in names]
        assert len({memory.wait(job_id, WAIT_S) for job_id in ids}) == 1
        with pytest.raises(JobFailedError, match="LookupError: async trouble"):
            memory.wait(memory.enqueue(jobs.fail_async, max_attempts=1), WAIT_S)


def test_an_async_task_serves_as_job_and_as_function(memory: DuckQueue) -> None:
    assert jobs.doubled(4) == 8
    with WorkerPool(memory, 1):
        assert memory.wait(memory.enqueue(jobs.doubled, (21,)), WAIT_S) == 42


def test_a_timeout_interrupts_python_code(memory: DuckQueue, tmp_path: Path) -> None:
    with WorkerPool(memory, 1):
        late = memory.enqueue(jobs.spin, timeout_seconds=0.1, max_attempts=1)
        with pytest.raises(JobFailedError, match=r"JobTimeoutError: .* timeout of 0.1 s"):
            memory.wait(late, WAIT_S)
        # It may tidy up, but it is late whatever it returns.
        tidy = memory.enqueue(
            jobs.tidy_after_timeout, (str(tmp_path / "log"),), timeout_seconds=0.1, max_attempts=1
        )
        with pytest.raises(JobFailedError, match="JobTimeoutError"):
            memory.wait(tidy, WAIT_S)
        assert (tmp_path / "log").read_text() == "tidied\n"
        assert memory.wait(memory.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_a_timeout_interrupts_a_coroutine(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1):
        late = memory.enqueue(jobs.sleep_async, (1_000,), timeout_seconds=0.1, max_attempts=1)
        with pytest.raises(JobFailedError, match="JobTimeoutError"):
            memory.wait(late, WAIT_S)


def test_a_thread_that_cannot_be_interrupted_is_abandoned_and_replaced(memory: DuckQueue) -> None:
    pool = WorkerPool(memory, 1, grace=0.1)
    with pool:
        before = pool.threads
        late = memory.enqueue(jobs.nap, (3.0,), timeout_seconds=0.1, max_attempts=1)
        with pytest.raises(JobFailedError, match="JobTimeoutError"):
            memory.wait(late, WAIT_S)
        assert memory.wait(memory.enqueue(jobs.add, (1, 2)), WAIT_S) == 3
        assert pool.threads != before
        before[0].join(WAIT_S)
        assert memory.get_job(late).status is JobStatus.FAILED  # type: ignore[union-attr]


@pytest.mark.parametrize("func", ["spin", "sleep_async"])
def test_a_running_job_is_cancelled(memory: DuckQueue, signals: Signals, func: str) -> None:
    args = (signals.address,) if func == "spin" else (1_000, signals.address)
    with WorkerPool(memory, 1):
        job_id = memory.enqueue(getattr(jobs, func), args)
        signals.wait()
        assert memory.cancel(job_id)
        with pytest.raises(JobCancelledError):
            memory.wait(job_id, WAIT_S)
        assert memory.wait(memory.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_interrupts_hit_only_their_own_job(memory: DuckQueue) -> None:
    """Time-outs that come due as jobs end: each job ends as itself, none hits its neighbour."""
    with WorkerPool(memory, 2):
        ids = []
        for _ in range(150):
            ids.append(memory.enqueue(jobs.nap, (0.01,), timeout_seconds=0.01, max_attempts=1))
            ids.append(memory.enqueue(jobs.add, (1, 2), max_attempts=1))
        for index, job_id in enumerate(ids):
            if index % 2:
                assert memory.wait(job_id, WAIT_S) == 3
            else:
                try:
                    assert memory.wait(job_id, WAIT_S) == "woke"
                except JobFailedError as error:
                    assert "JobTimeoutError" in str(error)  # noqa: PT017 - either end is right
    assert memory.stats()["claimed"] == 0


def test_stopping_lets_running_jobs_finish_and_returns_the_rest(
    memory: DuckQueue, signals: Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    running = memory.enqueue(jobs.hold, (signals.address, str(gate)))
    pool = WorkerPool(memory, 1)
    pool.start()
    signals.wait()
    rest = memory.enqueue_batch([(jobs.add, (i, i), {}) for i in range(50)])
    stopping = threading.Thread(target=pool.stop)
    stopping.start()
    gate.touch()
    stopping.join(WAIT_S)
    assert memory.wait(running, WAIT_S) == "held"
    left = [memory.get_job(job_id) for job_id in rest]
    assert {job.status for job in left if job} <= {JobStatus.PENDING, JobStatus.DONE}
    assert all(job.attempts == 0 for job in left if job and job.status is JobStatus.PENDING)


def test_stopping_without_patience_returns_running_jobs_unspent(memory: DuckQueue, signals: Signals) -> None:
    spinning = memory.enqueue(jobs.spin, (signals.address,), max_attempts=1)
    pool = WorkerPool(memory, 1)
    pool.start()
    signals.wait()
    assert pool.stop(timeout=0.0)  # it could be interrupted, so all has ended
    job = memory.get_job(spinning)
    assert job is not None
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
    assert pool.stop()


def test_heavier_queues_come_first(memory: DuckQueue, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    for name in ("low", "high", "low", "high", "middle"):
        memory.enqueue(jobs.append, (log, name), queue=name)
    worker = Worker(memory, queues=[("low", 1), ("high", 9), ("middle", 5)])
    assert [name for name, _ in worker.queues] == ["high", "middle", "low"]
    thread = threading.Thread(target=worker.run)
    thread.start()
    last = memory.enqueue(jobs.nothing, queue="low")
    memory.wait(last, WAIT_S)
    worker.stop()
    thread.join(WAIT_S)
    assert Path(log).read_text().split() == ["high", "high", "middle", "low", "low"]


def test_max_jobs_in_flight_is_a_cap(memory: DuckQueue, signals: Signals, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    worker = Worker(memory, max_jobs_in_flight=1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    held = memory.enqueue(jobs.hold, (signals.address, str(gate)))
    signals.wait()
    memory.enqueue_batch([(jobs.nothing, (), {}) for _ in range(20)])
    assert memory.stats()["claimed"] == 1
    gate.touch()
    assert memory.wait(held, WAIT_S) == "held"
    worker.stop()
    thread.join(WAIT_S)


def test_a_full_machine_keeps_threads_from_claiming(memory: DuckQueue, tmp_path: Path) -> None:
    worker = Worker(memory, min_disk_free=1 << 60)
    told: list[Event] = []
    paused = threading.Event()

    def hear(event: Event) -> None:
        told.append(event)
        paused.set()

    worker.events.subscribe(hear)
    assert worker.paused is None
    job_id = memory.enqueue(jobs.add, (1, 2))
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert paused.wait(WAIT_S)
    assert "disk has" in told[0].facts["reason"]
    running = worker._running
    assert isinstance(running, Crew)
    assert worker.paused == told[0].facts["reason"]
    assert memory.stats()["pending"] == 1
    running.guard._limits = Limits(min_disk_free=1, folder=str(tmp_path))  # type: ignore[union-attr]
    assert memory.wait(job_id, WAIT_S) == 3
    assert [event.name for event in told][:2] == ["claims_paused", "claims_resumed"]
    worker.stop()
    thread.join(WAIT_S)


def test_a_machine_with_room_does_not_hinder_a_pool(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1, max_load=1e9, max_memory_percent=100, min_disk_free="1K") as pool:
        assert memory.wait(memory.enqueue(jobs.add, (1, 2)), WAIT_S) == 3
        assert pool.paused is None


def test_a_second_claim_is_for_runners_that_have_nothing_to_do(memory: DuckQueue) -> None:
    """Two claims for later work in flight would leave an idle runner without any until one ends."""
    crew = Crew(memory, Settings((("default", 50),), concurrency=2))
    link = crew.link
    job_id = memory.enqueue(jobs.nothing, queue="other")
    (held,) = memory.store.call(Claim([("other", 1)]))
    crew.jobs.append(held)
    link.open()
    crew.idle = 1
    link.flush()
    assert [idle for _count, idle in link._claims.values()] == [0]
    crew.jobs.clear()
    link.flush()
    assert sorted(idle for _count, idle in link._claims.values()) == [0, 1]
    link.shut()
    memory.store.call(Finish([Outcome(held.id, held.claim)]))
    assert memory.wait(job_id, WAIT_S) is None


def test_a_worker_ends_when_its_queue_is_closed_under_it() -> None:
    queue = DuckQueue(":memory:")
    worker = Worker(queue)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run(poll_interval=0.05)
        except StoreClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    queue.wait(queue.enqueue(jobs.nothing), WAIT_S)
    queue.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert len(errors) == 1


def test_a_worker_ends_when_the_file_is_replaced_under_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    queue = DuckQueue(path)
    worker = Worker(queue)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except FileReplacedError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    queue.wait(queue.enqueue(jobs.nothing), WAIT_S)
    for file in tmp_path.glob("jobs.db*"):
        if not file.is_dir():
            file.unlink()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert len(errors) == 1
    queue.close()  # its worker has said so


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"processes": 2},  # :memory:
        {"queues": []},
        {"queues": ["no spaces"]},
        {"queues": [("a", "heavy")]},
        {"batch_size": 0},
        {"max_jobs_in_flight": 0},
        {"max_jobs_per_child": 3},  # without processes
        {"max_memory_per_job": "1G"},
        {"nonsense": 1},
        {"grace": -1},
        {"shutdown_timeout": float("inf")},
        {"claim_timeout": 0},
        {"async_concurrency": 0},
        {"max_memory_percent": 101},
        {"max_load": "much"},
        {"min_disk_free": "lots"},
    ],
)
def test_wrong_settings_are_refused(memory: DuckQueue, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        Worker(memory, **wrong)  # type: ignore[arg-type]


def test_a_pool_does_not_start_twice(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1) as pool, pytest.raises(InvalidRequestError):
        pool.start()
    with pytest.raises(InvalidRequestError):
        Worker(memory).run(poll_interval=0)


def test_jobs_run_in_this_process(memory: DuckQueue) -> None:
    with WorkerPool(memory, 1):
        assert memory.wait(memory.enqueue(jobs.pid), WAIT_S) == os.getpid()
