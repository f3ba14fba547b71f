"""`queuack-worker` under fire: mixed jobs and poison, children killed at random, and all is accounted for."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import soak_jobs
import worker_jobs as jobs
from queuack_store import DuckQueue, JobFailedError
from worker_commands import Command

WAIT_S = 600.0
MAX_GROWTH = 16 << 20  # of the supervisor, bytes
BATCH = 5_000
OPTIONS = (
    "--concurrency",
    "1",
    "--grace",
    "1",
    "--max-memory-per-job",
    "256M",
    "--max-jobs-per-child",
    "5000",
)

# Poison ends `failed`; a child that was shot meanwhile may be all that is known of an attempt.
SHOT = r"died of SIGKILL|the worker died|claim"
POISON: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (jobs.segfault, (), r"died of SIGSEGV"),
    (jobs.exit_process, (3,), r"os._exit\(3\)"),
    (jobs.kill_self, (), r"died of SIGKILL"),
    (jobs.hog, (), r"out of memory"),
    (jobs.spin, (), r"JobTimeoutError"),
    (jobs.stubborn, (), r"JobTimeoutError"),
    (jobs.fail, (), r"no luck"),
    (jobs.close_descriptors, ("", 0.0), r"closed its descriptors"),
]


class Soak:
    """One worker, the jobs that it was given, and what must become of them."""

    def __init__(self, queue: DuckQueue, command: Command, folder: Path, seed: int) -> None:
        self.queue = queue
        self.supervisor = psutil.Process(command.process.pid)
        self.kills = 0
        self.good = 0
        self.poison: dict[str, str] = {}  # how each must have failed, by id
        self._ledger = folder / "ledger"
        self._draw = random.Random(seed)
        self._last = ""

    @contextmanager
    def fire(self, every_s: float) -> Iterator[None]:
        """Kill a child, whichever, again and again meanwhile."""
        over = threading.Event()

        def shoot() -> None:
            draw = random.Random(self._draw.random())
            while not over.wait(every_s):
                if children := self.supervisor.children():
                    with suppress(psutil.NoSuchProcess):
                        draw.choice(children).send_signal(signal.SIGKILL)
                        self.kills += 1

        shooter = threading.Thread(target=shoot)
        shooter.start()
        try:
            yield
        finally:
            over.set()
            shooter.join()

    def enqueue(self, count: int, poison: int) -> None:
        """Enqueue `count` good jobs and `poison` of each bad kind among them."""
        bad = POISON * poison
        self._draw.shuffle(bad)
        for left in range(count, 0, -BATCH):
            batch = [self._good(self.good + n) for n in range(min(BATCH, left))]
            self._last = self.queue.enqueue_batch(batch, max_attempts=1_000, retry_delay=0.0)[-1]
            self.good += len(batch)
            share = len(bad) if left <= BATCH else len(bad) * BATCH // left
            for func, args, verdict in [bad.pop() for _ in range(share)]:
                # A short time-out only where it is what ends the job: the others may be slow to start.
                timeout_s = 0.3 if "JobTimeoutError" in verdict else WAIT_S
                more = {"max_attempts": 2, "retry_delay": 0.0, "timeout_seconds": timeout_s}
                (job_id,) = self.queue.enqueue_batch([(func, args, {})], **more)
                self.poison[job_id] = verdict

    def _good(self, n: int) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        kinds: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
            (jobs.append, (str(self._ledger), str(n))),
            (soak_jobs.append_async, (str(self._ledger), str(n))),
            (soak_jobs.append_by_id, (str(self._ledger), str(n))),
            (soak_jobs.append_late, (str(self._ledger), str(n))),
        ]
        return (*self._draw.choice(kinds), {})

    def wait(self) -> None:
        """Wait until every job has ended."""
        self.queue.wait(self._last, WAIT_S)
        unended = "SELECT id FROM jobs WHERE completed_at IS NULL ORDER BY seq LIMIT 50"
        while left := list(self.queue.sql(unended, timeout=60)):
            for (job_id,) in left:
                with suppress(JobFailedError):
                    self.queue.wait(str(job_id), WAIT_S)

    def account(self) -> None:
        """Check what became of every job."""
        stats = {state: count for state, count in self.queue.stats().items() if count}
        assert stats == {"done": self.good, "failed": len(self.poison)}
        ran = Counter(self._ledger.read_text().split())
        assert ran.keys() == set(map(str, range(self.good)))
        for job_id, verdict in self.poison.items():
            job = self.queue.get_job(job_id)
            assert job is not None
            assert job.attempts == 2
            assert re.search(f"{verdict}|{SHOT}", job.error or ""), (job.task, job.error)
        (row,) = self.queue.sql("SELECT count(*) FROM job_attempts WHERE ended_at IS NULL", timeout=60)
        assert row[0] == 0


def soak(folder: Path, processes: int, rounds: list[tuple[int, int]], every_s: float, seed: int) -> Soak:
    """Run rounds of (good jobs, poison of each kind); the supervisor must not grow after the first."""
    here = str(Path(__file__).parent)
    with DuckQueue(folder / "duckqueue.db") as queue:
        command = Command(folder, "--processes", str(processes), "--app", here, *OPTIONS)
        try:
            command.wait_for("child_ready", processes)
            run = Soak(queue, command, folder, seed)
            sizes = []
            for count, poison in rounds:
                with run.fire(every_s):
                    run.enqueue(count, poison)
                    run.wait()
                sizes.append(run.supervisor.memory_info().rss)
            run.account()
            assert sizes[-1] - sizes[0] < MAX_GROWTH, sizes
            command.process.send_signal(signal.SIGTERM)
            assert command.end() == 0, command.text[-4_000:]
            print(f"{run.good} jobs, {run.kills} kills, supervisor: {[size >> 20 for size in sizes]} MB")
        finally:
            command.process.kill()  # where all went well it has ended
    return run


def test_a_short_soak(tmp_path: Path) -> None:
    run = soak(tmp_path, 2, [(1_000, 1), (1_000, 0)], every_s=1.0, seed=7)
    assert run.kills > 0


@pytest.mark.prove
@pytest.mark.timeout(3_600)
def test_a_long_soak(tmp_path: Path) -> None:
    size = int(os.environ.get("QUEUACK_SOAK_JOBS", "200000"))
    run = soak(tmp_path, 4, [(size // 10, 4), (size - size // 10, 16)], every_s=1.0, seed=1)
    assert run.kills > 5
