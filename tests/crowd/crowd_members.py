"""The processes of test_one_file_many_processes.py, and the job that they all enqueue.

Not a test module. `python crowd_members.py ROLE FILE LOG SEED`; a producer and a reader go on until
standard input ends.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

from queuack_store import DuckQueue
from queuack_store.ids import to_text
from queuack_store.requests import Enqueue
from queuack_store.testing.history import History

MAX_LIVE = 300  # producers rest above this
ATTEMPTS = 100  # more than there are kills that one job could meet


def run(folder: str, rounds: int, context: Any) -> int:
    """Work a little, and note in this process's own log that it began and ended."""
    history = _history(folder, os.getpid())
    claim = context._job.claim
    history.note("started", [context.job_id], claim=claim)
    total = sum(n * n for n in range(rounds))
    history.note("ended", [context.job_id], claim=claim, kind="done")
    history.note("finishing", [context.job_id], claim=claim, kind="done")
    return total


@cache
def _history(folder: str, pid: int) -> History:
    return History(Path(folder) / f"job-{pid}.log", sync=False)


class Producer:
    """Enqueues jobs, noting each before it is sent and after it was acknowledged."""

    def __init__(self, queue: DuckQueue, log: Path, seed: int) -> None:
        self.queue = queue
        self.history = History(log, sync=False)
        self.random = random.Random(seed)
        self.folder = str(log.parent)
        self.last = ""

    def enqueue(self, priority: int = 50, rounds: int = 0) -> str:
        """Enqueue one job, some behind the one before; return its id."""
        behind = self.last if self.last and self.random.random() < 0.2 else None
        pending = DuckQueue.enqueue.__wrapped__(
            self.queue, run, (self.folder, rounds or self.random.choice([10, 1_000, 100_000, 1_000_000])),
            priority=priority, max_attempts=ATTEMPTS, check_backpressure=False,
            retry_delay=0.01, retry_backoff=1.0, depends_on=behind,
        )  # fmt: skip
        assert isinstance(pending.request, Enqueue)
        (job,) = pending.request.jobs
        made = to_text(job.id)
        self.history.note("sent", [made], max_attempts=ATTEMPTS, parents=[behind] if behind else [])
        self.queue.store.call(pending.request)
        self.history.note("acked", [made])
        self.last = made
        return made


def produce(queue: DuckQueue, log: Path, seed: int, over: threading.Event) -> None:
    """Keep the queue filled."""
    producer = Producer(queue, log, seed)
    while not over.is_set():
        stats = queue.stats()
        if stats["pending"] + stats["waiting"] > MAX_LIVE:
            over.wait(0.02)
        else:
            for _ in range(10):
                producer.enqueue()


def read(queue: DuckQueue, _log: Path, _seed: int, over: threading.Event) -> None:
    """Ask for everything that a dashboard asks for; the answers must agree with each other."""
    while not over.wait(0.05):
        ended = queue.stats()["done"]
        (found,) = queue.sql("SELECT count(*) FROM jobs WHERE status = 'done'").fetchone()
        assert found >= ended, f"sql() sees {found} jobs done, {ended} were done before"
        for (job_id,) in queue.sql("SELECT id::VARCHAR FROM jobs ORDER BY seq DESC LIMIT 3"):
            assert queue.get_job(job_id) is not None


def main() -> None:
    role, db, log, seed = sys.argv[1:]
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    with DuckQueue(db) as queue:
        {"produce": produce, "read": read}[role](queue, Path(log), int(seed), over)


if __name__ == "__main__":
    import crowd_members  # under its own name, so that workers find the job's function by it

    crowd_members.main()
