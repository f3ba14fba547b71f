"""Jobs that fork: the copy ends where the job does, and the real child never notices."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import worker_jobs as jobs
from queuack_store import DuckQueue
from queuack_worker import WorkerPool
from worker_pools import RunningPool, gone
from worker_signals import Signals

WAIT_S = 60.0
Start = Callable[..., RunningPool]


def untroubled(queue: DuckQueue, *ids: str) -> None:
    """Check that these jobs were done, each in one attempt."""
    for job_id in ids:
        assert [(a["outcome"], a["attempt"]) for a in queue.attempts(job_id)] == [("done", 1)]


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_copy_ends_with_its_job(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path, concurrency: int
) -> None:
    """It comes back while the real child runs other jobs: none of them is run, or told of, by the copy."""
    gate, lines = tmp_path / "gate", tmp_path / "lines"
    pool = pool_of(1, concurrency=concurrency)
    job_id = shared.enqueue(jobs.fork, (signals.address, str(gate)), max_attempts=1)
    real, _, copy = shared.wait(job_id, WAIT_S).removeprefix("real ").partition(" of ")
    assert signals.wait() == f"{copy} copy"
    others = [shared.enqueue(jobs.append, (str(lines), str(i))) for i in range(50)]
    gate.touch()
    assert gone(int(copy))
    others += [shared.enqueue(jobs.append, (str(lines), str(i))) for i in range(50, 100)]
    for other in others:
        shared.wait(other, WAIT_S)
    untroubled(shared, job_id, *others)
    assert sorted(map(int, lines.read_text().split())) == list(range(100))
    assert pool.supervisor.pids == [int(real)]
    pool.stop()
    assert not any(event.name == "child_died" for event in pool.events)


def test_a_copy_that_raises_ends_with_1(shared: DuckQueue, pool_of: Start) -> None:
    pool_of(1)
    job_id = shared.enqueue(jobs.fork_and_raise, max_attempts=1)
    assert shared.wait(job_id, WAIT_S) == 1
    after = shared.enqueue(jobs.add, (1, 2))
    assert shared.wait(after, WAIT_S) == 3
    untroubled(shared, job_id, after)


def test_a_copy_ends_of_a_sigterm_as_any_process_does(shared: DuckQueue, pool_of: Start) -> None:
    """It must not drain: what is claimed is its parent's."""
    pool_of(1)
    job_id = shared.enqueue(jobs.fork_and_end_it, max_attempts=1)
    assert shared.wait(job_id, WAIT_S) == -signal.SIGTERM
    untroubled(shared, job_id)


@pytest.mark.parametrize("waits", [False, True])
def test_a_copy_of_a_coroutine_ends_where_it_waits(shared: DuckQueue, pool_of: Start, waits: bool) -> None:
    pool_of(1)
    beside = [shared.enqueue(jobs.sleep_async, (0.05,)) for _ in range(20)]
    forking = [shared.enqueue(jobs.fork_async, (waits,), max_attempts=1) for _ in range(5)]
    assert [shared.wait(job_id, WAIT_S) for job_id in forking] == [0] * 5
    for job_id in beside:
        shared.wait(job_id, WAIT_S)
    untroubled(shared, *beside, *forking)


def test_a_copy_of_a_thread_pool_ends_too(shared: DuckQueue) -> None:
    with WorkerPool(shared, 2):
        job_id = shared.enqueue(jobs.fork_and_raise, max_attempts=1)
        assert shared.wait(job_id, WAIT_S) == 1
        after = shared.enqueue(jobs.add, (1, 2))
        assert shared.wait(after, WAIT_S) == 3
    untroubled(shared, job_id, after)
