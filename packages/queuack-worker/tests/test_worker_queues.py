"""Several queues: the heavier first, strictly; with ageing the light one is not starved."""

from __future__ import annotations

import threading
from pathlib import Path

import queue_jobs as jobs
from queuack_store import DuckQueue
from queuack_worker import Worker

WAIT_S = 60.0
QUEUES = [("light", 10), ("heavy", 100)]
LINES = 20  # heavy jobs that are always ready: twice what the worker may hold


def order(queue: DuckQueue, folder: Path, left: int, **options: float) -> list[str]:
    """Run one light job, enqueued first, among heavy ones that bring on others; return what ran when."""
    light = queue.enqueue(jobs.light, (str(folder),), queue="light")
    for _ in range(LINES):
        queue.enqueue(jobs.heavy, (str(folder), left), queue="heavy")
    worker = Worker(queue, queues=QUEUES, max_jobs_in_flight=LINES // 2, **options)  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    queue.wait(light, WAIT_S)
    worker.stop()
    thread.join(WAIT_S)
    return (folder / "order").read_text().split()


def test_the_heavier_queue_goes_first(memory: DuckQueue, tmp_path: Path) -> None:
    ran = order(memory, tmp_path, left=20)
    assert ran.index("light") >= 20 * LINES  # only when next to none of the other was left


def test_with_ageing_the_lighter_one_is_not_starved(memory: DuckQueue, tmp_path: Path) -> None:
    """The heavy ones don't end before it has run."""
    ran = order(memory, tmp_path, left=1_000_000, ageing=0.05)
    assert "heavy" in ran[: ran.index("light")]
