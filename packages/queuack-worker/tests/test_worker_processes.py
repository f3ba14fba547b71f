"""The pool of processes: children that die, hang, are recycled, paused, drained; all of it real."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import worker_jobs as jobs
from queuack_store import DuckQueue, JobCancelledError, JobFailedError, JobStatus
from queuack_worker import Worker, WorkerStartError
from queuack_worker.resources import Limits
from worker_pools import RunningPool, alive, gone, small_cgroup, some_load
from worker_signals import Signals

WAIT_S = 60.0
Start = Callable[..., RunningPool]


def attempts(queue: DuckQueue, job_id: str) -> list[tuple[str, str]]:
    return [(a["outcome"], a["error"] or "") for a in queue.attempts(job_id)]


def test_jobs_run_in_children(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(2)
    ids = shared.enqueue_batch([(jobs.add, (i, 1), {}) for i in range(300)])
    assert [shared.wait(job_id, WAIT_S) for job_id in ids] == [i + 1 for i in range(300)]
    assert shared.wait(shared.enqueue(jobs.pid), WAIT_S) in pool.supervisor.pids
    assert shared.wait(shared.enqueue(lambda x: x + 1, (1,)), WAIT_S) == 2
    pool.stop()
    assert {event.name for event in pool.events} >= {"child_started", "child_ready", "child_ended"}
    assert not any(event.name == "child_died" for event in pool.events)


def test_a_worker_with_processes_runs_and_stops(shared: DuckQueue) -> None:
    worker = Worker(shared, processes=1, concurrency=2)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert shared.wait(shared.enqueue(jobs.ctx_first, (1,)), WAIT_S)[1] == 1
    worker.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_killed_child_costs_its_job_one_attempt_and_is_replaced(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    pool = pool_of(1)
    job_id = shared.enqueue(jobs.hold, (signals.address, str(gate)), max_attempts=2, retry_delay=0.0)
    first = signals.begun()
    rest = shared.enqueue_batch([(jobs.add, (i, i), {}) for i in range(20)])
    os.kill(first, signal.SIGKILL)
    second = signals.begun()
    assert second != first
    gate.touch()
    assert shared.wait(job_id, WAIT_S) == "held"
    assert [outcome for outcome, _ in attempts(shared, job_id)] == ["died", "done"]
    for other in rest:
        shared.wait(other, WAIT_S)
        assert shared.get_job(other).attempts == 1  # type: ignore[union-attr]
    (died,) = pool.wait_for("child_died")
    assert "SIGKILL" in died.facts["verdict"]
    assert "peak RSS" in died.facts["verdict"]


def test_a_job_that_ignores_its_timeout_takes_its_process_along(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    """Its neighbour in the same process gets the grace period, then goes back unspent."""
    gate = tmp_path / "gate"
    # No heartbeat wakes the watch here: the second thread must get its job without one.
    pool_of(1, concurrency=2, grace_s=0.3, heartbeat_s=1_000.0, claim_timeout_s=4_000.0)
    neighbour = shared.enqueue(jobs.hold, (signals.address, str(gate)), max_attempts=1)
    first = signals.begun()
    late = shared.enqueue(jobs.stubborn, (signals.address,), timeout_seconds=0.2, max_attempts=1)
    assert signals.begun() == first
    with pytest.raises(JobFailedError, match=r"JobTimeoutError.*its process was killed"):
        shared.wait(late, WAIT_S)
    assert signals.begun() != first
    gate.touch()
    assert shared.wait(neighbour, WAIT_S) == "held"
    assert [outcome for outcome, _ in attempts(shared, neighbour)] == ["returned", "done"]


def test_a_sleep_in_c_is_ended_by_its_timeout(shared: DuckQueue, pool_of: Start) -> None:
    pool_of(1, grace_s=0.2)
    late = shared.enqueue(jobs.nap, (1_000.0,), timeout_seconds=0.2, max_attempts=1)
    with pytest.raises(JobFailedError, match="JobTimeoutError"):
        shared.wait(late, WAIT_S)


@pytest.mark.parametrize("func", ["spin", "stubborn", "nap", "sleep_async"])
def test_a_running_job_is_cancelled(shared: DuckQueue, pool_of: Start, signals: Signals, func: str) -> None:
    pool_of(1, grace_s=0.3)
    where = signals.address
    args = (where,) if func in ("spin", "stubborn") else (1_000, where)
    job_id = shared.enqueue(getattr(jobs, func), args)
    signals.begun()
    assert shared.cancel(job_id)
    with pytest.raises(JobCancelledError):
        shared.wait(job_id, WAIT_S)
    assert shared.get_job(job_id).status is JobStatus.CANCELLED  # type: ignore[union-attr]
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_code_in_c_that_never_returns_is_killed_by_the_supervisor(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(1, grace_s=0.2)
    late = shared.enqueue(jobs.spin_in_c, timeout_seconds=0.2, max_attempts=1)
    with pytest.raises(JobFailedError):
        shared.wait(late, WAIT_S)
    (died,) = pool.wait_for("child_died")
    assert "timeout of 0.2 s" in died.facts["verdict"]
    ((outcome, error),) = attempts(shared, late)
    assert outcome == "died"
    assert "timeout of 0.2 s and could not be interrupted" in error
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_code_in_c_takes_no_attempt_of_the_jobs_beside_it(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    pool_of(1, concurrency=2, grace_s=0.2)
    beside = shared.enqueue(jobs.hold, (signals.address, str(gate)), max_attempts=1)
    first = signals.begun()
    late = shared.enqueue(jobs.spin_in_c, timeout_seconds=0.2, max_attempts=1)
    with pytest.raises(JobFailedError):
        shared.wait(late, WAIT_S)
    assert signals.begun() != first
    gate.touch()
    assert shared.wait(beside, WAIT_S) == "held"
    assert [outcome for outcome, _ in attempts(shared, beside)] == ["returned", "done"]


def test_a_job_that_ends_its_process_takes_no_attempt_of_the_jobs_beside_it(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    pool_of(1, concurrency=2)
    beside = shared.enqueue(jobs.hold, (signals.address, str(gate)), max_attempts=1)
    asleep = shared.enqueue(jobs.sleep_async, (1_000.0, signals.address), max_attempts=1)
    assert signals.begun() == signals.begun()
    guilty = shared.enqueue(jobs.exit_process, (9,), max_attempts=1)
    with pytest.raises(JobFailedError, match=r"the job ended its process: os._exit\(9\)"):
        shared.wait(guilty, WAIT_S)
    assert signals.begun() == signals.begun()
    gate.touch()
    assert shared.wait(beside, WAIT_S) == "held"
    assert [outcome for outcome, _ in attempts(shared, beside)] == ["returned", "done"]
    assert shared.cancel(asleep)
    with pytest.raises(JobCancelledError):
        shared.wait(asleep, WAIT_S)
    assert [outcome for outcome, _ in attempts(shared, asleep)] == ["returned", "cancelled"]


def test_what_a_dead_child_had_started_dies_too(shared: DuckQueue, pool_of: Start, tmp_path: Path) -> None:
    pool = pool_of(1)
    job_id = shared.enqueue(jobs.leave_a_process, (str(tmp_path / "pid"),), max_attempts=1)
    with pytest.raises(JobFailedError):
        shared.wait(job_id, WAIT_S)
    pool.wait_for("child_died")
    assert gone(int((tmp_path / "pid").read_text()))


def test_children_are_recycled_after_their_share_of_jobs(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(1, max_jobs=20)
    ids = [shared.enqueue(jobs.pid) for _ in range(100)]
    first = shared.wait(ids[0], WAIT_S)
    pool.wait_for("child_recycled")
    pool.wait_for("child_ended")
    ids.append(shared.enqueue(jobs.pid))
    assert shared.wait(ids[-1], WAIT_S) != first
    assert all(shared.get_job(job_id).attempts == 1 for job_id in ids)  # type: ignore[union-attr]
    pool.stop()
    assert not any(event.name == "child_died" for event in pool.events)


def test_a_child_that_is_replaced_lets_its_last_job_end(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    """However long that takes; meanwhile its successor is not replaced in turn."""
    gate = tmp_path / "gate"
    pool = pool_of(1, concurrency=2, max_jobs=5, shutdown_timeout_s=0.0, grace_s=0.0)
    held = shared.enqueue(jobs.hold, (signals.address, str(gate)), max_attempts=1)
    signals.begun()
    for job_id in [shared.enqueue(jobs.pid) for _ in range(60)]:
        shared.wait(job_id, WAIT_S)
    assert len(pool.wait_for("child_started")) == 2
    gate.touch()
    assert shared.wait(held, WAIT_S) == "held"
    assert [outcome for outcome, _ in attempts(shared, held)] == ["done"]
    pool.wait_for("child_started", 3)


def test_a_child_that_is_replaced_still_hears_that_the_pool_stops(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    pool = pool_of(1, concurrency=2, max_jobs=1, shutdown_timeout_s=0.0)
    held = shared.enqueue(jobs.hold, (signals.address, str(tmp_path / "gate")), max_attempts=1)
    signals.begun()
    shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S)
    pool.wait_for("child_ready", 2)
    pool.stop()
    job = shared.get_job(held)
    assert job is not None
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)


def test_children_that_hold_too_much_memory_are_recycled(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(1, max_rss=1 << 20)
    first = shared.wait(shared.enqueue(jobs.pid), WAIT_S)
    event = pool.wait_for("child_recycled")[0]
    assert "MB" in event.facts["reason"]
    pool.wait_for("child_ready", 2)
    assert shared.wait(shared.enqueue(jobs.pid), WAIT_S) != first


@pytest.mark.parametrize(
    ("limit", "passed", "kept", "reason"),
    [
        ("min_disk_free", 1 << 60, 1, r"disk has \d+ MB free, limit"),
        ("max_memory_percent", 0.0, 100.0, r"memory \d+% used, limit 0%"),
        ("max_load", 0.0, 1e9, r"load \d+\.\d\d per core, limit 0"),
    ],
)
def test_a_machine_that_is_full_claims_nothing(
    shared: DuckQueue, pool_of: Start, tmp_path: Path, limit: str, passed: float, kept: float, reason: str
) -> None:
    def limits(value: float) -> Limits:
        return Limits(**{limit: value}, folder=str(tmp_path))  # type: ignore[arg-type]

    with some_load():
        pool = pool_of(1, limits=limits(passed))
        (event,) = pool.wait_for("claims_paused")
        assert re.fullmatch(f"{reason}.*", event.facts["reason"])
        pool.wait_for("child_ready")
        job_id = shared.enqueue(jobs.add, (1, 2))
        assert re.fullmatch(f"{reason}.*", pool.supervisor.paused or "")
        assert shared.stats()["pending"] == 1
        pool.supervisor._guard._limits = limits(kept)  # type: ignore[union-attr]
        pool.wait_for("claims_resumed")
    assert shared.wait(job_id, WAIT_S) == 3
    assert pool.supervisor.paused is None


def test_children_that_cannot_start_end_the_pool(shared: DuckQueue) -> None:
    shared.serialization = "nonsense"
    pool = RunningPool(shared, 1)
    pool.join()
    assert isinstance(pool.error, WorkerStartError)


def test_a_stopped_child_loses_its_claims_and_is_killed(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    pool = pool_of(1, claim_timeout_s=1.0, heartbeat_s=0.3)
    job_id = shared.enqueue(jobs.hold, (signals.address, str(gate)), max_attempts=2, retry_delay=0.0)
    first = signals.begun()
    os.kill(first, signal.SIGSTOP)
    assert signals.begun() != first
    gate.touch()
    assert shared.wait(job_id, WAIT_S) == "held"
    (died,) = pool.wait_for("child_died")
    assert "no sign of life" in died.facts["verdict"]
    assert not alive(first)


@pytest.mark.parametrize(
    ("func", "args", "verdict", "outcome", "text"),
    [
        (jobs.segfault, (), "SIGSEGV", "died", "died of SIGSEGV (a crash in native code), peak RSS"),
        (jobs.kill_self, (), "SIGKILL", "died", "died of SIGKILL, peak RSS"),
        (jobs.exit_process, (7,), "code 7", "failed", "os._exit(7)"),
        (jobs.exit_process, (0,), "code 0", "failed", "os._exit(0)"),
    ],
)
def test_poison_that_ends_its_process(
    shared: DuckQueue,
    pool_of: Start,
    func: Any,
    args: tuple[Any, ...],
    verdict: str,
    outcome: str,
    text: str,
) -> None:
    pool = pool_of(1)
    job_id = shared.enqueue(func, args, max_attempts=2, retry_delay=0.0)
    with pytest.raises(JobFailedError):
        shared.wait(job_id, WAIT_S)
    deaths = pool.wait_for("child_died", 2)
    assert all(verdict in death.facts["verdict"] for death in deaths)
    told = attempts(shared, job_id)
    assert [outcome for outcome, _ in told] == [outcome] * 2
    assert all(text in error for _, error in told), told
    job = shared.get_job(job_id)
    assert job is not None
    assert (job.status, job.attempts) == (JobStatus.FAILED, 2)
    assert text in (job.error or "")
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_poison_that_processes_survive(shared: DuckQueue, pool_of: Start) -> None:
    pool = pool_of(1)
    for func, text in (
        (jobs.unpicklable, "can't be pickled"),
        (jobs.huge, "return a path"),
        (jobs.raise_unprintable, "Unprintable"),
        (jobs.raise_unpicklable, "held a lock"),
    ):
        with pytest.raises(JobFailedError, match=text):
            shared.wait(shared.enqueue(func, max_attempts=1), WAIT_S)
    assert shared.wait(shared.enqueue(jobs.delete_cwd), WAIT_S) == "gone"
    assert shared.wait(shared.enqueue(jobs.flood), WAIT_S) == "wet"
    assert shared.wait(shared.enqueue(jobs.close_everything), WAIT_S) == "closed"
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3
    assert not any(event.name == "child_died" for event in pool.events)


@pytest.mark.parametrize("func", [jobs.hog, jobs.hoard])
def test_a_memory_hog_meets_its_limit(shared: DuckQueue, pool_of: Start, func: Any) -> None:
    pool_of(1, memory_limit=256 << 20)
    job_id = shared.enqueue(func, max_attempts=1)
    with pytest.raises(JobFailedError, match="out of memory: the job needed more than the limit of 256 MB"):
        shared.wait(job_id, WAIT_S)
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3


def test_the_oom_killer_is_named(shared: DuckQueue, pool_of: Start) -> None:
    """A real one: the job moves its process into a cgroup with less memory than it takes."""
    cgroup = small_cgroup(96 << 20)
    try:
        pool = pool_of(1)
        job_id = shared.enqueue(jobs.hoard_in, (str(cgroup),), max_attempts=1)
        with pytest.raises(JobFailedError):
            shared.wait(job_id, WAIT_S)
        (died,) = pool.wait_for("child_died")
        ((outcome, error),) = attempts(shared, job_id)
        assert (outcome, error) == ("died", died.facts["verdict"])
        assert "was killed by the OOM killer (SIGKILL), peak RSS" in error
        shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S)
    finally:
        cgroup.rmdir()


def test_a_function_that_cannot_be_found_fails_its_job_alone(shared: DuckQueue, pool_of: Start) -> None:
    import sys
    import types

    module = types.ModuleType("only_here")
    exec("def vanished(): pass", module.__dict__)
    sys.modules["only_here"] = module
    try:
        job_id = shared.enqueue(module.vanished, max_attempts=1)
    finally:
        del sys.modules["only_here"]
    pool_of(1)
    with pytest.raises(JobFailedError, match=r"only_here.*sys\.path"):
        shared.wait(job_id, WAIT_S)
    assert shared.wait(shared.enqueue(jobs.add, (1, 2)), WAIT_S) == 3
