"""How cost grows with what is there: jobs, payloads, queues, lifecycles; and how long an ack may stall.

These figures have no target: they should be flat, and the page shows where they are not.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator

from queuack_store import DuckQueue

from benchmarks.loads import history
from benchmarks.loads.stage import BATCH, Stage, fill, owner_pid, worker
from benchmarks.loads.tasks import noop
from benchmarks.measuring import Row, peak_rss_mb, percentile, row, rss_mb, wait_until

SIZES = (0, 10_000, 100_000, 1_000_000)
FINISHED = 5_000_000
PAYLOADS = (100, 10_000, 1_000_000)
QUEUES = (1, 10, 1_000)
CALLS = 500  # of one kind, timed one by one
LIFECYCLES = 2_000_000
STRIDE = 100_000  # lifecycles between two looks at file and memory
REST_S = 2.0  # before a look at memory: what a burst took is given back a moment after it
ACKS = 20_000
PRESS_S = 0.1  # between two batches of what goes on beside the acks


def _each(call: Callable[[], object], count: int = CALLS) -> list[float]:
    """Return the milliseconds of each of so many calls."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1_000)
    return found


def _row(what: str, values: list[float], unit: str, **settings: object) -> Row:
    return row("growth", what, values, unit, settings=settings)


def by_size(stage: Stage) -> Iterator[Row]:
    """Yield milliseconds per call by the number of pending jobs."""
    for size in SIZES:
        path = stage.file(size)
        began = time.monotonic()
        queue = DuckQueue(path)
        queue.stats()
        yield _row("reopening", [(time.monotonic() - began) * 1_000], "ms", pending=size)
        with queue:
            add = lambda: queue.enqueue(noop, (1,), check_backpressure=False)  # noqa: E731
            _each(add)
            yield _row("enqueue", _each(add), "ms", pending=size)
            claimed = iter([queue.claim() for _ in range(CALLS)])
            acks = _each(lambda: queue.ack(next(claimed).id, result=1))
            _each(add)
            yield _row("claim", _each(queue.claim), "ms", pending=size)
            yield _row("ack", acks, "ms", pending=size)
            yield _row("stats", _each(queue.stats), "ms", pending=size)
            count = lambda: queue.sql("SELECT status, count(*) FROM jobs GROUP BY status").fetchall()  # noqa: E731
            yield _row("sql, jobs by status", _each(count, 10), "ms", pending=size)


def by_history(stage: Stage) -> Iterator[Row]:
    """Yield milliseconds of reopening, stats and sql over five million finished jobs."""
    path = history.with_history(stage, FINISHED)
    began = time.monotonic()
    with DuckQueue(path) as queue:
        queue.stats()
        yield _row("reopening", [(time.monotonic() - began) * 1_000], "ms", finished=FINISHED)
        yield _row("stats", _each(queue.stats), "ms", finished=FINISHED)
        found = [1_000 * seconds for seconds in history.queries(queue, stage.runs)]
        yield _row("sql, p50 and p95 by task", found, "ms", finished=FINISHED)


def by_payload(stage: Stage) -> Iterator[Row]:
    """Yield milliseconds per call and rates by the size of the payload."""
    for size in PAYLOADS:
        path, body = stage.file(), os.urandom(size)
        count = min(BATCH, (256 << 20) // size)
        with DuckQueue(path) as queue:
            one = _each(lambda: queue.enqueue(noop, (body,), check_backpressure=False), 100)
            yield _row("enqueue", one, "ms", payload=size)
            portion = max(1, min(count, (32 << 20) // size))
            began = time.monotonic()
            for _ in range(count // portion):
                queue.enqueue_batch([(noop, (body,))] * portion)
            yield _row("batches", [count / (time.monotonic() - began)], "jobs/s", payload=size)
            yield _row("drain, 2 processes", [_drained(queue, path)], "jobs/s", payload=size)


def _drained(queue: DuckQueue, path: str) -> float:
    """Return the jobs per second with which two worker processes empty the queue, their start counted in."""
    jobs = queue.stats()["pending"]
    began = time.monotonic()
    with worker(path, 2):
        wait_until(lambda: queue.stats()["done"] >= jobs, f"the drain of {jobs:,} jobs", 90)
        return jobs / (time.monotonic() - began)


def by_queues(stage: Stage) -> Iterator[Row]:
    """Yield milliseconds per call by the number of queues."""
    jobs = 50_000
    for count in QUEUES:
        path = stage.file()
        names = [f"q{i}" for i in range(count)]
        with DuckQueue(path) as queue:
            for name in names:
                fill(queue, jobs // count, name)
            turns = itertools.count()
            one = _each(
                lambda: queue.enqueue(noop, (1,), queue=names[next(turns) % count], check_backpressure=False)
            )
            yield _row("enqueue", one, "ms", queues=count)
            yield _row("claim", _each(lambda: queue.claim(names[next(turns) % count])), "ms", queues=count)


def ack_stalls(stage: Stage) -> Iterator[Row]:
    """Yield milliseconds of acks one by one while another thread enqueues: checkpoints fall into them."""
    path, stop = stage.file(), threading.Event()
    with DuckQueue(path) as queue:
        fill(queue, ACKS, "acked")

        def press() -> None:
            while not stop.wait(PRESS_S):
                fill(queue, 2_000)

        presser = threading.Thread(target=press)
        presser.start()
        try:
            times: list[float] = []
            while len(times) < ACKS:
                claimed = iter(queue.claim_batch(500, queue="acked"))
                times += _each(lambda: queue.ack(next(claimed).id, result=1), 500)
        finally:
            stop.set()
            presser.join()
        yield from (
            _row(f"ack under load, {name}", [percentile(times, share)], "ms", acks=ACKS)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1.0))
        )


def by_lifecycles(stage: Stage) -> Iterator[Row]:
    """Yield megabytes at rest by lifecycles: filled and drained, and all history purged once, half way."""
    path = stage.file()
    with DuckQueue(path) as queue, worker(path, 2):
        for ended in range(STRIDE, LIFECYCLES + 1, STRIDE):
            fill(queue, STRIDE)
            wait_until(lambda: queue.stats()["pending"] + queue.stats()["claimed"] == 0, "the drain")
            queue.sql("SELECT 1").fetchall()
            time.sleep(REST_S)
            yield _row("owner's RSS", [rss_mb(owner_pid(path))], "MB", lifecycles=ended)
            yield _row("file", [_megabytes(path)], "MB", lifecycles=ended)
            if ended == LIFECYCLES // 2:
                queue.purge(older_than_hours=0)
        yield _row("owner's RSS, highest", [peak_rss_mb(owner_pid(path))], "MB", lifecycles=LIFECYCLES)
    yield _row("file, closed", [_megabytes(path)], "MB", lifecycles=LIFECYCLES)


def _megabytes(path: str) -> float:
    return sum(os.path.getsize(p) for p in (path, f"{path}.wal") if os.path.exists(p)) / 1e6
