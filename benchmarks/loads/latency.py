"""How long an idle queue takes from the call of `enqueue` to the start of the job, at 20 jobs a second."""

from __future__ import annotations

import time
from collections.abc import Iterator

from queuack_store import DuckQueue

from benchmarks.loads.stage import BACKLOG, Stage, warm, worker
from benchmarks.loads.tasks import stamp
from benchmarks.measuring import Row, percentile, row

RATE = 20  # jobs a second
JOBS = 400  # of one run: so that its p99 is more than one job's bad luck


def measure(stage: Stage) -> Iterator[Row]:
    """Yield p50 and p99, in milliseconds, with two worker processes; a backlog waits in another queue."""
    for pending in stage.pending:
        path = stage.file(pending, BACKLOG)
        with DuckQueue(path) as queue, worker(path, 2):
            warm(queue)
            _waits(queue, 20)
            runs = [_waits(queue, stage.some(JOBS)) for _ in range(stage.runs)]
        settings = {"pending": pending, "jobs": stage.some(JOBS), "rate": RATE}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            values = [percentile(run, share) * 1_000 for run in runs]
            yield row("queue", f"enqueue to start, {name}", values, "ms", settings=settings)


def _waits(queue: DuckQueue, count: int) -> list[float]:
    sent: dict[str, float] = {}
    began = time.monotonic()
    for i in range(count):
        time.sleep(max(0.0, began + i / RATE - time.monotonic()))
        at = time.monotonic()
        sent[queue.enqueue(stamp, (i,))] = at
    return [queue.wait(job, timeout=60) - at for job, at in sent.items()]
