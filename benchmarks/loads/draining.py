"""How fast jobs are run: a backlog of no-ops drained by threads and by worker processes, results stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from queuack_store import DuckQueue

from benchmarks.loads.stage import Stage, fill, owner_pid, worker
from benchmarks.measuring import Row, cpu_s, row, wait_until

THREADS = 2

# From a run's first claim to its last answer, by the queue's own rows: starting the workers is not counted.
SPAN = """
    SELECT epoch(max(ended_at) - min(claimed_at)) FROM (
        SELECT claimed_at, ended_at FROM job_attempts WHERE claim >= ? ORDER BY claim LIMIT ?
    )
"""


def measure(stage: Stage) -> Iterator[Row]:
    """Yield jobs per second by threads of this process and by 1, 2, 4 and 8 worker processes.

    With a backlog, and in a quick run, by 2 processes only.
    """
    count = stage.some(100_000)
    yield _measure(stage, f"drain, {THREADS} threads", _threads, 0, count, 0)
    for pending in stage.pending:
        for processes in (2,) if stage.quick or pending else (1, 2, 4, 8):
            name = f"drain, {processes} process" + ("es" if processes > 1 else "")
            yield _measure(stage, name, None, processes, count, pending)


@contextmanager
def _threads(queue: DuckQueue) -> Iterator[None]:
    queue.start_workers(THREADS)
    try:
        yield
    finally:
        queue.stop_workers()


def _measure(stage: Stage, name: str, threads: Any, processes: int, count: int, pending: int) -> Row:
    path = stage.file(pending)
    rates, used, done = [], 0.0, 0
    with DuckQueue(path) as queue:
        for run in range(stage.runs + 1):
            if not pending:
                fill(queue, count)
            queue.sql("SELECT 1").fetchall()  # the applier has caught up
            first = _next_claim(queue)
            before = cpu_s(owner_pid(path))
            workers: AbstractContextManager[Any] = threads(queue) if threads else worker(path, processes)
            target = done + count
            with workers:
                wait_until(lambda: queue.stats()["done"] >= target, f"{name}: {target:,} jobs")
            done = queue.stats()["done"]
            (seconds,) = queue.sql(SPAN, [first, count]).fetchone()
            if run:
                rates.append(count / seconds)
                used += (cpu_s(owner_pid(path)) - before) / count
    cpu = {"owner": round(used / stage.runs * 1e6, 1)}
    settings = {"pending": pending, "jobs": count, "concurrency": 1}
    return row("queue", name, rates, "jobs/s", settings=settings, cpu_us=cpu)


def _next_claim(queue: DuckQueue) -> int:
    (highest,) = queue.sql("SELECT coalesce(max(claim), 0) + 1 FROM job_attempts").fetchone()
    return int(highest)
