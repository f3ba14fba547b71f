"""Jobs in C that hold the interpreter of a process: no other job in it pays, and they can be cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hog_jobs as jobs
import pytest
import worker_jobs
from queuack_store import DuckQueue, JobCancelledError, JobFailedError
from queuack_worker.blame import suspects
from queuack_worker.board import Running
from worker_pools import RunningPool
from worker_signals import Signals

WAIT_S = 60.0
NEVER_S = 4_000.0
Start = Callable[..., RunningPool]

PAIRS = [(jobs.hog, jobs.beside), (jobs.hog_async, jobs.beside_async)]

# A thread that wants the interpreter, and one that holds it.
THREADS = """
import ctypes, threading
def spin():
    said.append(threading.get_native_id())
    begun.set()
    while True: pass
def hold():
    said.append(threading.get_native_id())
    ctypes.PyDLL(None).system(b"echo %d %d; exec sleep 1000000" % tuple(said))
said = []
begun = threading.Event()
threading.Thread(target=spin).start()
begun.wait()
hold()
"""


def outcomes(queue: DuckQueue, job_id: str) -> list[str]:
    return [attempt["outcome"] for attempt in queue.attempts(job_id)]


def until_handed_out(queue: DuckQueue, job_id: str) -> None:
    """Wait until a worker has it, and it counts as started."""
    while queue.get_job(job_id).attempts == 0:  # type: ignore[union-attr]
        time.sleep(0.005)


def run_both(queue: DuckQueue, signals: Signals, gate: Path, hog: Any, beside: Any) -> tuple[str, str, Any]:
    """Have a job run, and one beside it that holds the interpreter; return both, and what the latter said."""
    other = queue.enqueue(beside, (signals.address, str(gate)), max_attempts=1)
    signals.begun()
    job_id = queue.enqueue(hog, (signals.address,), timeout_seconds=None, max_attempts=1)
    return other, job_id, signals.begun()


def went_back(queue: DuckQueue, job_id: str) -> None:
    """Assert that the job paid nothing, and was done by the next process."""
    assert queue.wait(job_id, WAIT_S) == "held"
    assert outcomes(queue, job_id) == ["returned", "done"]


def test_a_job_that_never_began_pays_nothing(shared: DuckQueue, pool_of: Start, signals: Signals) -> None:
    """It was handed to an idle thread of a process whose interpreter is held."""
    pool_of(1, concurrency=2, grace_s=1.0)
    late = shared.enqueue(jobs.hog, (signals.address,), timeout_seconds=1, max_attempts=1)
    signals.begun()
    handed = shared.enqueue(worker_jobs.add, (1, 2), max_attempts=1)
    until_handed_out(shared, handed)
    with pytest.raises(JobFailedError, match="timeout of 1 s and could not be interrupted"):
        shared.wait(late, WAIT_S)
    assert shared.wait(handed, WAIT_S) == 3
    assert outcomes(shared, late) == ["died"]
    assert outcomes(shared, handed)[-1:] == ["done"]
    assert "died" not in outcomes(shared, handed)
    assert shared.get_job(handed).attempts == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(("hog", "beside"), PAIRS)
def test_a_cancel_reaches_a_process_that_hears_nothing(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path, hog: Any, beside: Any
) -> None:
    """Long before it would count as hung; what runs beside the job goes back unspent."""
    gate = tmp_path / "gate"
    pool_of(1, concurrency=2, grace_s=0.2, claim_timeout_s=NEVER_S)
    other, job_id, first = run_both(shared, signals, gate, hog, beside)
    assert shared.cancel(job_id)
    with pytest.raises(JobCancelledError):
        shared.wait(job_id, WAIT_S)
    assert signals.begun() != first
    gate.touch()
    went_back(shared, other)
    assert outcomes(shared, job_id) == ["cancelled"]


@pytest.mark.parametrize(("hog", "beside"), PAIRS)
def test_of_those_that_run_in_a_silent_process_the_one_that_holds_it_pays(
    shared: DuckQueue, pool_of: Start, signals: Signals, tmp_path: Path, hog: Any, beside: Any
) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells which thread waits for what")
    gate = tmp_path / "gate"
    pool_of(1, concurrency=2, claim_timeout_s=5.0, heartbeat_s=0.5)
    other, job_id, first = run_both(shared, signals, gate, hog, beside)
    with pytest.raises(JobFailedError, match="no sign of life"):
        shared.wait(job_id, WAIT_S)
    assert signals.begun() != first
    gate.touch()
    went_back(shared, other)
    assert outcomes(shared, job_id) == ["died"]


def test_a_thread_that_asks_for_the_interpreter_is_no_suspect() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells which thread waits for what")
    process = subprocess.Popen(
        [sys.executable, "-c", THREADS], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        spins, holds = (
            Running(bytes([number]) * 16, number, 0.0, 0.0, 0.0, int(thread))
            for number, thread in enumerate(process.stdout.readline().split(), 1)
        )
        parked = Running(bytes(16), 4, 0.0, 0.0, 0.0, 0)  # a coroutine that waits
        assert suspects(process.pid, [spins, parked, holds]) == [holds]
        assert suspects(process.pid, [parked, spins]) == [spins]
        assert suspects(process.pid, [parked]) == [parked]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
